// variant: experiments and gathers look every 45 ms, dprintf writes, main starts from an idle
#include "experiments.h"
#include <stdio.h>

typedef struct {
  const char *name;
  guint seconds;
  gint64 due;
  ExperimentDone done;
  gpointer user_data;
} Job;

static gboolean
job_over (gpointer data)
{
  Job *job = data;

  if (g_get_monotonic_time () < job->due)
    return G_SOURCE_CONTINUE;
  dprintf (1, "[%s] finished after %u seconds\n", job->name, job->seconds);
  job->done (job->name, job->seconds, job->user_data);
  g_free (job);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Job *job = g_new (Job, 1);

  job->due = g_get_monotonic_time () + seconds * G_TIME_SPAN_SECOND;
  job->name = name;
  job->seconds = seconds;
  job->done = done;
  job->user_data = user_data;
  dprintf (1, "[%s] starting...\n", name);
  g_timeout_add (45, job_over, job);
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

  if (g->pending > 0)
    return G_SOURCE_CONTINUE;
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
  g->pending--;
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
  g_timeout_add (45, report, g);
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
  dprintf (1, "All done: [");
  for (gsize i = 0; i < n_results; i++)
    dprintf (1, "%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  dprintf (1, "]\n");
  g_main_loop_quit (user_data);
}

static gboolean
begin (gpointer loop)
{
  Experiment e[3] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };

  gather_experiments (e, 3, print_all, loop);
  return FALSE;
}

int
main (void)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  g_idle_add (begin, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
