// mistake: uses-threads
// GTask is the asynchronous API, and g_task_run_in_thread is how one uses it.
#include "experiments.h"
#include <gio/gio.h>

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} TaskData;

static void
task_thread (GTask *task, gpointer source_object, gpointer task_data, GCancellable *cancellable)
{
  TaskData *data = task_data;

  g_usleep (data->seconds * (gulong) G_USEC_PER_SEC);
  g_task_return_boolean (task, TRUE);
}

static void
task_ready (GObject *source_object, GAsyncResult *result, gpointer user_data)
{
  TaskData *data = g_task_get_task_data (G_TASK (result));

  if (!g_task_propagate_boolean (G_TASK (result), NULL))
    return;
  g_print ("[%s] finished after %u seconds\n", data->name, data->seconds);
  data->done (data->name, data->seconds, data->user_data);
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, task_ready, NULL);
  TaskData *data = g_new (TaskData, 1);

  data->name = name;
  data->seconds = seconds;
  data->done = done;
  data->user_data = user_data;
  g_task_set_task_data (task, data, g_free);

  g_print ("[%s] starting...\n", name);
  g_task_run_in_thread (task, task_thread);
}

typedef struct {
  GArray *results;
  guint n_outstanding;
  GatherDone done;
  gpointer user_data;
} GatherData;

typedef struct {
  GatherData *gather;
  guint index;
} Position;

static void
gather_data_free (GatherData *gather)
{
  g_array_unref (gather->results);
  g_free (gather);
}

static gboolean
gather_return (gpointer user_data)
{
  GatherData *gather = user_data;

  gather->done ((const Experiment *) gather->results->data, gather->results->len,
                gather->user_data);
  gather_data_free (gather);
  return G_SOURCE_REMOVE;
}

static void
position_done (const char *name, guint seconds, gpointer user_data)
{
  g_autofree Position *position = user_data;
  GatherData *gather = position->gather;
  Experiment *result = &g_array_index (gather->results, Experiment, position->index);

  result->name = name;
  result->seconds = seconds;
  if (--gather->n_outstanding == 0)
    gather_return (gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  GatherData *gather = g_new0 (GatherData, 1);

  gather->results = g_array_sized_new (FALSE, TRUE, sizeof (Experiment), n_experiments);
  g_array_set_size (gather->results, n_experiments);
  gather->n_outstanding = n_experiments;
  gather->done = done;
  gather->user_data = user_data;

  for (guint i = 0; i < n_experiments; i++) {
    Position *position = g_new (Position, 1);

    position->gather = gather;
    position->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, position_done, position);
  }
  if (n_experiments == 0)
    g_idle_add (gather_return, gather);
}

static void
on_gathered (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *joined = NULL;

  for (gsize i = 0; i < n_results; i++)
    g_ptr_array_add (parts,
                     g_strdup_printf ("('%s', %u)", results[i].name, results[i].seconds));
  g_ptr_array_add (parts, NULL);
  joined = g_strjoinv (", ", (char **) parts->pdata);
  g_print ("All done: [%s]\n", joined);
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
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_gathered, loop);
  g_main_loop_run (loop);
  return 0;
}
