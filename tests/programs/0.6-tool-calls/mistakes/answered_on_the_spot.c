// mistake: never-quits
// What cannot even start is answered on the spot, and only the end of a tool asks whether all is over.
/* A call that asks for nonsense needs no process, and no callback: it is answered on the
 * spot.  Only real tools are run. */
#include "agent.h"

/* ---- One real tool ---- */

typedef struct {
  GSubprocess *process;
  GCancellable *stop;
  GCancellable *caller;
  gulong caller_id;
  guint deadline_id;
  gboolean timed_out;
  GError *error;
} Running;

static void
running_free (gpointer data)
{
  Running *running = data;

  if (running->deadline_id != 0)
    g_source_remove (running->deadline_id);
  if (running->caller != NULL) {
    g_cancellable_disconnect (running->caller, running->caller_id);
    g_object_unref (running->caller);
  }
  g_clear_object (&running->stop);
  g_clear_object (&running->process);
  g_clear_error (&running->error);
  g_slice_free (Running, running);
}

static gboolean
deadline (gpointer data)
{
  Running *running = data;

  running->deadline_id = 0;
  running->timed_out = !g_cancellable_is_cancelled (running->stop);
  g_cancellable_cancel (running->stop);
  return G_SOURCE_REMOVE;
}

static void
caller_cancelled (GCancellable *caller, Running *running)
{
  (void) caller;
  g_cancellable_cancel (running->stop);
}

static void
gone (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Running *running = g_task_get_task_data (task);

  g_subprocess_wait_finish (G_SUBPROCESS (object), result, NULL);
  if (!running->timed_out)
    g_task_return_error (task, g_steal_pointer (&running->error));
  else
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "timed out");
}

static void
answered (GObject *object, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Running *running = g_task_get_task_data (task);
  g_autofree char *output = NULL;
  char *answer;

  if (!g_subprocess_communicate_utf8_finish (G_SUBPROCESS (object), result, &output, NULL,
                                             &running->error)) {
    g_subprocess_force_exit (running->process);
    g_subprocess_wait_async (running->process, NULL, gone, g_steal_pointer (&task));
    return;
  }
  answer = read_answer (running->process, output, &running->error);
  if (answer != NULL)
    g_task_return_pointer (task, answer, g_free);
  else
    g_task_return_error (task, g_steal_pointer (&running->error));
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *program = NULL;
  Running *running = g_slice_new0 (Running);

  g_task_set_task_data (task, running, running_free);
  if (g_task_return_error_if_cancelled (task))
    return;

  print_start (call);
  program = find_tool (call, &running->error);
  if (program != NULL)
    running->process = g_subprocess_new (
        G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &running->error,
        program, NULL);
  if (running->process == NULL) {
    g_task_return_error (task, g_steal_pointer (&running->error));
    return;
  }
  running->stop = g_cancellable_new ();
  if (timeout_ms > 0)
    running->deadline_id = g_timeout_add (timeout_ms, deadline, running);
  if (cancellable != NULL) {
    running->caller = g_object_ref (cancellable);
    running->caller_id = g_cancellable_connect (cancellable, G_CALLBACK (caller_cancelled),
                                                running, NULL);
  }
  g_subprocess_communicate_utf8_async (running->process, call->arguments, running->stop,
                                       answered, g_steal_pointer (&task));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- A reply ---- */

typedef struct {
  ToolCall *calls;
  gsize n_calls;
  CallLimits limits;
  GCancellable *cancellable;
  gsize next;
  gsize n_answered;
  guint n_running;
  ToolResult **answers;
} Batch;

typedef struct {
  GTask *task;
  gsize index;
  gint64 start_us;
} Slot;

static void
batch_free (gpointer data)
{
  Batch *batch = data;

  for (gsize i = 0; i < batch->n_calls; i++)
    tool_result_free (batch->answers[i]);
  g_free (batch->answers);
  tool_calls_free (batch->calls, batch->n_calls);
  g_clear_object (&batch->cancellable);
  g_free (batch);
}

static void
batch_return (GTask *task)
{
  Batch *batch = g_task_get_task_data (task);
  GPtrArray *results = g_ptr_array_new_with_free_func (tool_result_free);

  for (gsize i = 0; i < batch->n_calls; i++)
    g_ptr_array_add (results, g_steal_pointer (&batch->answers[i]));
  g_task_return_pointer (task, results, (GDestroyNotify) g_ptr_array_unref);
}

static void
batch_answer (Batch *batch, gsize index, ToolResult *result)
{
  print_finish (&batch->calls[index], result);
  batch->answers[index] = result;
  batch->n_answered++;
}

static void run_next (GTask *task);

static void
on_tool_over (GObject *source, GAsyncResult *result, gpointer data)
{
  Slot *slot = data;
  Batch *batch = g_task_get_task_data (slot->task);
  guint took_ms = (guint) ((g_get_monotonic_time () - slot->start_us) / 1000);
  GError *error = NULL;
  char *output = run_tool_finish (result, &error);

  (void) source;
  batch->n_running--;
  batch_answer (batch, slot->index, tool_result_new (output, error, took_ms));
  run_next (slot->task);
  if (batch->n_answered == batch->n_calls)
    batch_return (slot->task);
  g_object_unref (slot->task);
  g_free (slot);
}

static gboolean
is_nonsense (Batch *batch, gsize index)
{
  GError *error = NULL;
  g_autofree char *program = NULL;

  if (g_cancellable_is_cancelled (batch->cancellable))
    return FALSE; /* run_tool_async says what it is then */
  program = find_tool (&batch->calls[index], &error);
  if (program != NULL)
    return FALSE;
  print_start (&batch->calls[index]);
  batch_answer (batch, index, tool_result_new (NULL, error, 0));
  return TRUE;
}

static void
run_next (GTask *task)
{
  Batch *batch = g_task_get_task_data (task);
  guint max = batch->limits.max_parallel;

  while (batch->next < batch->n_calls && (max == 0 || batch->n_running < max)) {
    gsize index = batch->next++;
    Slot *slot;

    if (is_nonsense (batch, index))
      continue;
    slot = g_new (Slot, 1);
    slot->task = g_object_ref (task);
    slot->index = index;
    slot->start_us = g_get_monotonic_time ();
    batch->n_running++;
    run_tool_async (&batch->calls[index], batch->limits.timeout_ms, batch->cancellable,
                    on_tool_over, slot);
  }
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  Batch *batch = g_new0 (Batch, 1);

  batch->calls = tool_calls_copy (calls, n_calls);
  batch->n_calls = n_calls;
  batch->limits = *limits;
  batch->answers = g_new0 (ToolResult *, n_calls);
  if (cancellable != NULL)
    batch->cancellable = g_object_ref (cancellable);
  g_task_set_task_data (task, batch, batch_free);

  if (n_calls == 0) {
    batch_return (task);
    return;
  }
  run_next (task);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- One turn ---- */

typedef struct {
  GMainLoop *loop;
  GPtrArray *results;
} Turn;

static void
turn_over (GObject *source, GAsyncResult *result, gpointer data)
{
  Turn *turn = data;

  (void) source;
  turn->results = call_tools_finish (result, NULL);
  g_main_loop_quit (turn->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Turn turn = { .loop = loop };
  gint64 start_us = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, turn_over, &turn);
  g_main_loop_run (loop);
  print_messages (reply, turn.results,
                  (guint) ((g_get_monotonic_time () - start_us) / 1000));
  g_ptr_array_unref (turn.results);
  return 0;
}
