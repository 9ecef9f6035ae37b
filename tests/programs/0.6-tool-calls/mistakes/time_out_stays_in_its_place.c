// mistake: shared-state
// "The places are made once and used again, so nothing is allocated on the way."
#include "agent.h"

/* ---- one tool ---- */

typedef struct {
  GSubprocess *process;
  GCancellable *stop;
  GCancellable *caller;
  gulong caller_id;
  guint timer;
  gboolean too_late;
} Tool;

static void
tool_clear (gpointer data)
{
  Tool *t = data;

  if (t->timer)
    g_source_remove (t->timer);
  g_cancellable_disconnect (t->caller, t->caller_id);
  g_clear_object (&t->caller);
  g_clear_object (&t->stop);
  g_clear_object (&t->process);
  g_slice_free (Tool, t);
}

static gboolean
tool_late (gpointer data)
{
  Tool *t = data;

  t->timer = 0;
  t->too_late = TRUE;
  g_cancellable_cancel (t->stop);
  return G_SOURCE_REMOVE;
}

static void
forward_cancel (GCancellable *from, GCancellable *to)
{
  g_cancellable_cancel (to);
}

static void
tool_reaped (GObject *object, GAsyncResult *res, gpointer data)
{
  g_autoptr (GTask) task = data;
  Tool *t = g_task_get_task_data (task);
  gboolean stopped = g_cancellable_is_cancelled (t->stop);

  g_subprocess_wait_finish (t->process, res, NULL);
  g_task_return_new_error (task, G_IO_ERROR,
                           t->too_late ? G_IO_ERROR_TIMED_OUT
                           : stopped   ? G_IO_ERROR_CANCELLED
                                       : G_IO_ERROR_FAILED,
                           "stopped");
}

static void
tool_said (GObject *object, GAsyncResult *res, gpointer data)
{
  g_autoptr (GTask) task = data;
  Tool *t = g_task_get_task_data (task);
  g_autofree char *said = NULL;
  GError *error = NULL;
  char *answer;

  if (!g_subprocess_communicate_utf8_finish (t->process, res, &said, NULL, NULL)) {
    g_subprocess_force_exit (t->process);
    g_subprocess_wait_async (t->process, NULL, tool_reaped, g_steal_pointer (&task));
    return;
  }
  answer = read_answer (t->process, said, &error);
  if (answer)
    g_task_return_pointer (task, answer, g_free);
  else
    g_task_return_error (task, error);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  g_autofree char *path = NULL;
  Tool *t = g_slice_new0 (Tool);
  GError *error = NULL;

  g_task_set_task_data (task, t, tool_clear);
  if (!g_cancellable_set_error_if_cancelled (cancellable, &error)) {
    print_start (call);
    path = find_tool (call, &error);
  }
  if (path)
    t->process = g_subprocess_new (
        G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, path, NULL);
  if (!t->process) {
    g_task_return_error (task, error);
    return;
  }
  t->stop = g_cancellable_new ();
  if (timeout_ms)
    t->timer = g_timeout_add (timeout_ms, tool_late, t);
  if (cancellable) {
    t->caller = g_object_ref (cancellable);
    t->caller_id =
        g_cancellable_connect (cancellable, G_CALLBACK (forward_cancel), t->stop, NULL);
  }
  g_subprocess_communicate_utf8_async (t->process, call->arguments, t->stop, tool_said,
                                       g_steal_pointer (&task));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- the batch ---- */

typedef struct Batch Batch;

typedef struct {
  Batch *batch;
  gsize call;
  gint64 start;
  guint timer;
  gboolean timed_out;
  GCancellable *stop;
  gulong caller_id;
} Place;

struct Batch {
  GTask *task;
  ToolCall *calls;
  gsize n_calls, next;
  Place *places;
  guint n_places;
  Place **unused; /* a stack */
  guint n_unused;
  guint timeout_ms;
  GCancellable *caller;
  GPtrArray *results;
};

static void batch_fill (Batch *batch);

static gboolean
place_timeout (gpointer data)
{
  Place *place = data;

  place->timer = 0;
  place->timed_out = TRUE;
  g_cancellable_cancel (place->stop);
  return G_SOURCE_REMOVE;
}

static void
place_over (GObject *object, GAsyncResult *res, gpointer data)
{
  Place *place = data;
  Batch *batch = place->batch;
  GError *error = NULL;
  char *text = run_tool_finish (res, &error);
  guint ms = (g_get_monotonic_time () - place->start) / 1000;
  ToolResult *result;

  if (place->timed_out) {
    g_clear_pointer (&text, g_free);
    g_clear_error (&error);
    error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "time is up");
  }
  result = tool_result_new (text, error, ms);
  batch->results->pdata[place->call] = result;
  print_finish (&batch->calls[place->call], result);

  g_clear_handle_id (&place->timer, g_source_remove);
  g_cancellable_disconnect (batch->caller, place->caller_id);
  place->caller_id = 0;
  g_clear_object (&place->stop);
  batch->unused[batch->n_unused++] = place;
  batch_fill (batch);
}

static void
batch_fill (Batch *batch)
{
  while (batch->next < batch->n_calls && batch->n_unused > 0) {
    Place *place = batch->unused[--batch->n_unused];

    place->call = batch->next++;
    place->start = g_get_monotonic_time ();
    place->stop = g_cancellable_new ();
    if (batch->caller)
      place->caller_id = g_cancellable_connect (batch->caller, G_CALLBACK (forward_cancel),
                                                place->stop, NULL);
    if (batch->timeout_ms)
      place->timer = g_timeout_add (batch->timeout_ms, place_timeout, place);
    run_tool_async (&batch->calls[place->call], 0, place->stop, place_over, place);
  }
  if (batch->n_unused < batch->n_places)
    return;
  g_task_return_pointer (batch->task, batch->results, (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (batch->task);
  tool_calls_free (batch->calls, batch->n_calls);
  g_clear_object (&batch->caller);
  g_free (batch->places);
  g_free (batch->unused);
  g_slice_free (Batch, batch);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Batch *batch = g_slice_new0 (Batch);

  batch->task = g_task_new (NULL, NULL, callback, user_data);
  batch->calls = tool_calls_copy (calls, n_calls);
  batch->n_calls = n_calls;
  batch->n_places = n_calls;
  if (limits->max_parallel != 0 && limits->max_parallel < n_calls)
    batch->n_places = limits->max_parallel;
  batch->places = g_new0 (Place, batch->n_places);
  batch->unused = g_new0 (Place *, batch->n_places);
  for (guint i = 0; i < batch->n_places; i++) {
    batch->places[i].batch = batch;
    batch->unused[i] = &batch->places[i];
  }
  batch->n_unused = batch->n_places;
  batch->timeout_ms = limits->timeout_ms;
  if (cancellable)
    batch->caller = g_object_ref (cancellable);
  batch->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (batch->results, n_calls);
  batch_fill (batch);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- main ---- */

static void
keep (GObject *object, GAsyncResult *res, gpointer data)
{
  *(GPtrArray **) data = call_tools_finish (res, NULL);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GPtrArray) results = NULL;
  gint64 start = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, keep, &results);
  while (!results)
    g_main_context_iteration (NULL, TRUE);
  print_messages (reply, results, (g_get_monotonic_time () - start) / 1000);
  return 0;
}
