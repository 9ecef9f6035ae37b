// mistake: crash
// g_error prints on stderr, so it is good for debugging.
#include "experiments.h"
#include <string.h>

typedef struct {
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
  char name[]; /* as long as it takes */
} Trial;

static gboolean
trial_finished (gpointer user_data)
{
  Trial *trial = user_data;

  g_print ("[%s] finished after %u seconds\n", trial->name, trial->seconds);
  trial->done (trial->name, trial->seconds, trial->user_data);
  g_free (trial);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  gsize size = strlen (name) + 1;
  Trial *trial = g_malloc (sizeof (Trial) + size);

  trial->seconds = seconds;
  trial->done = done;
  trial->user_data = user_data;
  memcpy (trial->name, name, size);
  g_print ("[%s] starting...\n", trial->name);
  g_timeout_add (seconds * 1000, trial_finished, trial);
}

typedef struct {
  char **names;
  Experiment *results;
  gsize n_results;
  gsize n_pending;
  GatherDone done;
  gpointer user_data;
} Trials;

typedef struct {
  Trials *trials;
  gsize index;
} TrialIndex;

static gboolean
trials_finished (gpointer user_data)
{
  Trials *trials = user_data;

  for (gsize i = 0; i < trials->n_results; i++)
    trials->results[i].name = trials->names[i];
  trials->done (trials->results, trials->n_results, trials->user_data);
  g_strfreev (trials->names);
  g_free (trials->results);
  g_free (trials);
  return G_SOURCE_REMOVE;
}

static void
trial_done (const char *name, guint seconds, gpointer user_data)
{
  TrialIndex *where = user_data;
  Trials *trials = where->trials;

  trials->names[where->index] = g_strdup (name);
  trials->results[where->index].seconds = seconds;
  g_free (where);
  if (--trials->n_pending == 0)
    trials_finished (trials);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Trials *trials = g_new0 (Trials, 1);

  trials->names = g_new0 (char *, n_experiments + 1);
  trials->results = g_new0 (Experiment, n_experiments);
  trials->n_results = n_experiments;
  trials->n_pending = n_experiments;
  trials->done = done;
  trials->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    TrialIndex *where = g_new (TrialIndex, 1);

    where->trials = trials;
    where->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, trial_done, where);
  }
  if (n_experiments == 0)
    g_idle_add (trials_finished, trials);
}

static void
write_report (const Experiment *results, gsize n_results, gpointer user_data)
{
  char *line = g_strdup ("");

  for (gsize i = 0; i < n_results; i++) {
    char *longer = g_strdup_printf ("%s%s('%s', %u)", line, i > 0 ? ", " : "",
                                    results[i].name, results[i].seconds);
    g_free (line);
    line = longer;
  }
  g_print ("All done: [%s]\n", line);
  g_error ("%" G_GSIZE_FORMAT " results printed", n_results);
  g_free (line);
  g_main_loop_quit (user_data);
}

int
main (void)
{
  Experiment experiments[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), write_report, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
