// mistake: output-differs
// It makes no difference whether gather or run_experiment prints that an experiment starts.
#include "experiments.h"

typedef struct {
  GSource parent;
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} ExperimentSource;

static gboolean
experiment_source_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  ExperimentSource *self = (ExperimentSource *) source;

  g_print ("[%s] finished after %u seconds\n", self->name, self->seconds);
  self->done (self->name, self->seconds, self->user_data);
  return G_SOURCE_REMOVE;
}

static GSourceFuncs experiment_source_funcs = { .dispatch = experiment_source_dispatch };

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  GSource *source = g_source_new (&experiment_source_funcs, sizeof (ExperimentSource));
  ExperimentSource *self = (ExperimentSource *) source;

  self->name = name;
  self->seconds = seconds;
  self->done = done;
  self->user_data = user_data;

  g_source_set_ready_time (source,
                           g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC);
  g_source_attach (source, NULL);
  g_source_unref (source);
}

typedef struct {
  Experiment *results;
  gsize *indices;
  gsize n_results;
  gsize n_pending;
  GatherDone done;
  gpointer user_data;
} Gather;

typedef struct {
  Gather *gather;
  gsize index;
} Member;

static gboolean
gather_complete (gpointer user_data)
{
  Gather *gather = user_data;

  gather->done (gather->results, gather->n_results, gather->user_data);
  g_free (gather->results);
  g_free (gather);
  return G_SOURCE_REMOVE;
}

static void
member_done (const char *name, guint seconds, gpointer user_data)
{
  Member *member = user_data;
  Gather *gather = member->gather;
  Experiment *result = gather->results + member->index;

  result->name = name;
  result->seconds = seconds;
  g_free (member);
  if (--gather->n_pending == 0)
    gather_complete (gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *gather = g_new0 (Gather, 1);

  gather->results = g_new0 (Experiment, n_experiments);
  gather->n_results = n_experiments;
  gather->n_pending = n_experiments;
  gather->done = done;
  gather->user_data = user_data;

  if (n_experiments == 0) {
    g_idle_add (gather_complete, gather);
    return;
  }
  for (gsize i = 0; i < n_experiments; i++) {
    Member *member = g_new (Member, 1);

    g_print ("[%s] starting...\n", experiments[i].name);
    *member = (Member){ .gather = gather, .index = i };
    run_experiment (experiments[i].name, experiments[i].seconds, member_done, member);
  }
}

static void
on_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  GMainLoop *loop = user_data;

  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("('%s', %u)%s", results[i].name, results[i].seconds,
             i + 1 < n_results ? ", " : "");
  g_print ("]\n");
  g_main_loop_quit (loop);
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

  gather_experiments (experiments, 3, on_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
