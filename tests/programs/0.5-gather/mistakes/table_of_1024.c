// mistake: hard-coded
// A thousand is the most there will be.
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
  Experiment results[1024];
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

static void
all_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++) {
    if (i > 0)
      g_print (", ");
    g_print ("('%s', %u)", results[i].name, results[i].seconds);
  }
  g_print ("]\n");
  g_main_loop_quit ((GMainLoop *) user_data);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 },
  };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, 3, all_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
