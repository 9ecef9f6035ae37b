// mistake: blocks-the-loop
// A condition variable with a time-out waits without using the processor.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  gint64 end_time;
  ExperimentDone done;
  gpointer user_data;
} Work;

typedef struct {
  GMutex lock;
  Experiment *results;
  gsize n_results;
  gint n_pending;
  GatherDone done;
  gpointer user_data;
} Shared;

typedef struct {
  Shared *shared;
  gsize index;
} Worker;

static gboolean
work_finished (gpointer user_data)
{
  Work *work = user_data;
  GMutex mutex;
  GCond never;

  g_mutex_init (&mutex);
  g_cond_init (&never);
  g_mutex_lock (&mutex);
  while (g_cond_wait_until (&never, &mutex, work->end_time))
    ;
  g_mutex_unlock (&mutex);
  g_mutex_clear (&mutex);
  g_cond_clear (&never);

  g_print ("[%s] finished after %u seconds\n", work->name, work->seconds);
  work->done (work->name, work->seconds, work->user_data);
  g_free (work);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Work *work = g_new (Work, 1);

  work->name = name;
  work->seconds = seconds;
  work->done = done;
  work->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  work->end_time = g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC;
  g_idle_add (work_finished, work);
}

static gboolean
shared_report (gpointer user_data)
{
  Shared *shared = user_data;

  shared->done (shared->results, shared->n_results, shared->user_data);
  g_mutex_clear (&shared->lock);
  g_free (shared->results);
  g_free (shared);
  return G_SOURCE_REMOVE;
}

static void
worker_done (const char *name, guint seconds, gpointer user_data)
{
  Worker *worker = user_data;
  Shared *shared = worker->shared;

  g_mutex_lock (&shared->lock);
  shared->results[worker->index].name = name;
  shared->results[worker->index].seconds = seconds;
  g_mutex_unlock (&shared->lock);
  g_free (worker);

  if (g_atomic_int_dec_and_test (&shared->n_pending))
    shared_report (shared);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Shared *shared = g_new0 (Shared, 1);

  g_mutex_init (&shared->lock);
  shared->results = g_new0 (Experiment, n_experiments);
  shared->n_results = n_experiments;
  shared->n_pending = (gint) n_experiments;
  shared->done = done;
  shared->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Worker *worker = g_new0 (Worker, 1);

    worker->shared = shared;
    worker->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, worker_done, worker);
  }
  if (n_experiments == 0)
    g_idle_add (shared_report, shared);
}

static void
on_all_done (const Experiment *results, gsize n_results, gpointer user_data)
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
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_all_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
