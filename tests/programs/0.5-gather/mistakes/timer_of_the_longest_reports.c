// mistake: done-too-early
// A timer of the gather's own, as long as the longest, reports.
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
  Job *job = g_new (Job, 1);

  job->name = name;
  job->seconds = seconds;
  job->done = done;
  job->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  if (seconds == 0)
    g_idle_add (job_over, job);
  else
    g_timeout_add (seconds * 1000, job_over, job);
}

typedef struct {
  Experiment *results;
  gsize n;
  GatherDone done;
  gpointer user_data;
} Gather;

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
  /* nothing: the timer of the gather reports */
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *g = g_new0 (Gather, 1);
  guint longest = 0;

  g->results = g_memdup2 (experiments, n_experiments * sizeof *experiments);
  g->n = n_experiments;
  g->done = done;
  g->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    longest = MAX (longest, experiments[i].seconds);
    run_experiment (experiments[i].name, experiments[i].seconds, one_done, NULL);
  }
  g_timeout_add (longest * 1000, report, g);
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
