// mistake: never-quits
// A name must not be empty.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Job;

static gboolean
job_over (gpointer data)
{
  Job *job = data;

  g_print ("[%s] finished after %u seconds\n", job->name, job->seconds);
  job->done (job->name, job->seconds, job->user_data);
  g_free (job);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  g_return_if_fail (name != NULL && *name != '\0');

  Job *job = g_new (Job, 1);

  job->name = name;
  job->seconds = seconds;
  job->done = done;
  job->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, job_over, job);
}

typedef struct {
  Experiment *results;
  gsize n;
  gsize pending;
  GatherDone done;
  gpointer user_data;
} Gather;

typedef struct {
  Gather *gather;
  gsize index;
} Place;

static gboolean
report (gpointer data)
{
  Gather *g = data;

  g->done (g->results, g->n, g->user_data);
  g_free (g->results);
  g_free (g);
  return G_SOURCE_REMOVE;
}

static void
one_done (const char *name, guint seconds, gpointer user_data)
{
  Place *place = user_data;
  Gather *g = place->gather;

  g->results[place->index].name = name;
  g->results[place->index].seconds = seconds;
  g_free (place);
  if (--g->pending == 0)
    report (g);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *g = g_new0 (Gather, 1);

  g->results = g_new0 (Experiment, n_experiments);
  g->n = g->pending = n_experiments;
  g->done = done;
  g->user_data = user_data;
  if (n_experiments == 0) {
    g_idle_add (report, g);
    return;
  }
  for (gsize i = 0; i < n_experiments; i++) {
    Place *place = g_new (Place, 1);

    place->gather = g;
    place->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, one_done, place);
  }
}

static void
print_all (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  g_main_loop_quit (user_data);
}

int
main (void)
{
  const Experiment experiments[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), print_all, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
