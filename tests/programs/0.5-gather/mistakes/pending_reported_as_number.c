// mistake: output-differs
// What is pending is 0 when it reports.
#include "experiments.h"

typedef struct {
  const char *label;
  guint duration;
  ExperimentDone notify;
  gpointer notify_data;
} Job;

static gboolean
job_due (gpointer p)
{
  Job *job = p;
  g_print ("[%s] finished after %u seconds\n", job->label, job->duration);
  job->notify (job->label, job->duration, job->notify_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Job *job = g_new (Job, 1);
  GSource *timer = g_timeout_source_new (seconds * 1000);

  job->label = name;
  job->duration = seconds;
  job->notify = done;
  job->notify_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_source_set_callback (timer, job_due, job, g_free);
  g_source_attach (timer, NULL);
  g_source_unref (timer);
}

/* Each child carries a pointer to its cell; the shared part counts. */
typedef struct {
  guint pending;
  gsize n;
  Experiment *cells;
  GatherDone tell;
  gpointer tell_data;
} Shared;

typedef struct {
  Shared *shared;
  Experiment *cell;
} Child;

static void
shared_finish (Shared *s)
{
  s->tell (s->cells, s->pending, s->tell_data);
  g_free (s->cells);
  g_slice_free (Shared, s);
}

static gboolean
shared_finish_idle (gpointer data)
{
  shared_finish (data);
  return FALSE;
}

static void
child_done (const char *name, guint seconds, gpointer data)
{
  g_autofree Child *c = data;
  Shared *s = c->shared;

  c->cell->name = name;
  c->cell->seconds = seconds;
  s->pending -= 1;
  if (!s->pending)
    shared_finish (s);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data)
{
  Shared *s = g_slice_new0 (Shared);
  s->n = n_experiments;
  s->pending = (guint) n_experiments;
  s->cells = g_memdup2 (experiments, n_experiments * sizeof (Experiment));
  s->tell = done;
  s->tell_data = user_data;

  if (!n_experiments)
    g_idle_add (shared_finish_idle, s);

  for (gsize k = 0; k < n_experiments; ++k) {
    Child *c = g_new (Child, 1);
    c->shared = s;
    c->cell = s->cells + k;
    run_experiment (experiments[k].name, experiments[k].seconds, child_done, c);
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
