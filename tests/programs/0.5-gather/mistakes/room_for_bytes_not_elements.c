// mistake: crash
// Room for n bytes, not for n results.
#include <stdlib.h>
#include "experiments.h"

typedef struct { const char *name; guint seconds; ExperimentDone done; gpointer user_data; } Run;

static gboolean
run_finished (gpointer data)
{
  Run *run = data;
  g_print ("[%s] finished after %u seconds\n", run->name, run->seconds);
  run->done (run->name, run->seconds, run->user_data);
  g_free (run);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Run *run = g_new0 (Run, 1);
  run->name = name;
  run->seconds = seconds;
  run->done = done;
  run->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, run_finished, run);
}

typedef struct _Gather Gather;
typedef struct { Gather *owner; gsize where; } Place;
struct _Gather {
  Experiment *results;
  Place *places;
  gsize total, left;
  GatherDone done;
  gpointer data;
};

static gboolean
gather_report (gpointer p)
{
  Gather *g = p;
  g->done (g->results, g->total, g->data);
  g_free (g->results);
  g_free (g->places);
  g_free (g);
  return G_SOURCE_REMOVE;
}

static void
gather_one_done (const char *name, guint seconds, gpointer p)
{
  Place *place = p;
  Gather *g = place->owner;
  g->results[place->where].name = name;
  g->results[place->where].seconds = seconds;
  if (--g->left == 0)
    gather_report (g);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data)
{
  Gather *g = g_new0 (Gather, 1);
  g->results = g_malloc0 (n_experiments);
  g->places = g_new0 (Place, n_experiments);
  g->total = g->left = n_experiments;
  g->done = done;
  g->data = user_data;
  if (n_experiments == 0) {
    g_idle_add (gather_report, g);
    return;
  }
  for (gsize i = 0; i < n_experiments; i++) {
    g->places[i].owner = g;
    g->places[i].where = i;
    run_experiment (experiments[i].name, experiments[i].seconds, gather_one_done, &g->places[i]);
  }
}

static GMainLoop *main_loop;

static void
report (const Experiment *r, gsize n, gpointer unused)
{
  GString *s = g_string_new ("All done: [");
  (void) unused;
  for (gsize i = 0; i < n; i++)
    g_string_append_printf (s, "%s('%s', %u)", i ? ", " : "", r[i].name, r[i].seconds);
  g_string_append_c (s, ']');
  g_print ("%s\n", s->str);
  g_string_free (s, TRUE);
  g_main_loop_quit (main_loop);
}

int
main (int argc, char **argv)
{
  (void) argc; (void) argv;
  Experiment todo[3] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };

  main_loop = g_main_loop_new (NULL, FALSE);
  gather_experiments (todo, G_N_ELEMENTS (todo), report, NULL);
  g_main_loop_run (main_loop);
  g_clear_pointer (&main_loop, g_main_loop_unref);
  return EXIT_SUCCESS;
}
