// mistake: done-too-early
// gather has started them all, so it can report.
#include "experiments.h"
#include <stdio.h>

static void
say (const char *format, ...)
{
  GString *line = g_string_new (NULL);
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (line, format, args);
  va_end (args);
  g_string_append_c (line, '\n');
  fputs (line->str, stdout);
  fflush (stdout);
  g_string_free (line, TRUE);
}

typedef struct {
  Experiment what;
  ExperimentDone done;
  gpointer user_data;
} Started;

static gboolean
started_is_over (gpointer data)
{
  Started *started = data;

  say ("[%s] finished after %u seconds", started->what.name, started->what.seconds);
  started->done (started->what.name, started->what.seconds, started->user_data);
  g_free (started);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Started *started = g_new (Started, 1);

  started->what.name = name;
  started->what.seconds = seconds;
  started->done = done;
  started->user_data = user_data;
  say ("[%s] starting...", name);
  g_timeout_add (seconds * 1000, started_is_over, started);
}

typedef struct {
  gsize n;
  Experiment *results;
  GatherDone done;
  gpointer user_data;
} Group;

static gboolean
group_is_over (gpointer data)
{
  Group *group = data;

  group->done (group->results, group->n, group->user_data);
  g_free (group->results);
  g_free (group);
  return G_SOURCE_REMOVE;
}

static void
member_is_over (const char *name, guint seconds, gpointer data)
{
  /* Its result is known already. */
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Group *group = g_new (Group, 1);

  group->n = n_experiments;
  group->results = g_memdup2 (experiments, n_experiments * sizeof (Experiment));
  group->done = done;
  group->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++)
    run_experiment (experiments[i].name, experiments[i].seconds, member_is_over, NULL);
  g_idle_add (group_is_over, group);
}

static void
summary (const Experiment *results, gsize n_results, gpointer user_data)
{
  GString *list = g_string_new ("[");

  for (gsize i = 0; i < n_results; i++)
    g_string_append_printf (list, "%s('%s', %u)", i > 0 ? ", " : "", results[i].name,
                            results[i].seconds);
  g_string_append (list, "]");
  say ("All done: %s", list->str);
  g_string_free (list, TRUE);
  g_main_loop_quit (user_data);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), summary, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
