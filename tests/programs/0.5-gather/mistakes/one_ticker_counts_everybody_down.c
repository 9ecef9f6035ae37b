// mistake: wrong-unit
// A ticker of one second counts down whatever is running.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  guint left;
  ExperimentDone done;
  gpointer user_data;
} Job;

static GList *jobs;
static guint ticker;

static gboolean
tick (gpointer data)
{
  GList *over = NULL;

  for (GList *l = jobs; l != NULL;) {
    GList *next = l->next;
    Job *job = l->data;

    if (job->left > 0)
      job->left--;
    if (job->left == 0) {
      jobs = g_list_delete_link (jobs, l);
      over = g_list_append (over, job);
    }
    l = next;
  }
  for (GList *l = over; l != NULL; l = l->next) {
    Job *job = l->data;

    g_print ("[%s] finished after %u seconds\n", job->name, job->seconds);
    job->done (job->name, job->seconds, job->user_data);
  }
  g_list_free_full (over, g_free);
  if (jobs != NULL)
    return G_SOURCE_CONTINUE;
  ticker = 0;
  return G_SOURCE_REMOVE;
}

static gboolean
at_once (gpointer data)
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

  *job = (Job){ name, seconds, seconds, done, user_data };
  g_print ("[%s] starting...\n", name);
  if (seconds == 0) {
    g_idle_add (at_once, job);
    return;
  }
  jobs = g_list_append (jobs, job);
  if (ticker == 0)
    ticker = g_timeout_add (1000, tick, NULL);
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
