// variant: the deadline kills the process, and the end of its output ends the call
#include "agent.h"

typedef struct {
  GSubprocess *process;
  guint deadline_id;
  GCancellable *caller;
  gulong caller_id;
  gboolean timed_out;
} Tool;

static void
tool_free (Tool *tool)
{
  if (tool->deadline_id != 0)
    g_source_remove (tool->deadline_id);
  g_cancellable_disconnect (tool->caller, tool->caller_id);
  g_clear_object (&tool->caller);
  g_clear_object (&tool->process);
  g_free (tool);
}

static gboolean
kill_late_tool (gpointer data)
{
  Tool *tool = data;

  tool->deadline_id = 0;
  tool->timed_out = TRUE;
  g_subprocess_force_exit (tool->process);
  return FALSE;
}

static void
kill_cancelled_tool (GCancellable *cancellable, GSubprocess *process)
{
  g_subprocess_force_exit (process);
}

static void
tool_exited (GObject *object, GAsyncResult *res, gpointer data)
{
  GTask *task = data;
  Tool *tool = g_task_get_task_data (task);
  GError *error = NULL;
  char *out = NULL, *answer = NULL;

  if (g_subprocess_communicate_utf8_finish (tool->process, res, &out, NULL, &error))
    answer = read_answer (tool->process, out, &error);
  if (tool->timed_out)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "too slow");
  else if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else
    g_task_return_pointer (task, g_strdup (answer), g_free);
  g_clear_error (&error);
  g_free (out);
  g_free (answer);
  g_object_unref (task);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Tool *tool;
  GError *error = NULL;
  char *path;

  if (g_task_return_error_if_cancelled (task)) {
    g_object_unref (task);
    return;
  }
  print_start (call);
  path = find_tool (call, &error);
  tool = g_new0 (Tool, 1);
  g_task_set_task_data (task, tool, (GDestroyNotify) tool_free);
  if (path != NULL)
    tool->process =
        g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                          &error, path, NULL);
  g_free (path);
  if (tool->process == NULL) {
    g_task_return_error (task, error);
    g_object_unref (task);
    return;
  }
  if (timeout_ms != 0)
    tool->deadline_id = g_timeout_add (timeout_ms, kill_late_tool, tool);
  if (cancellable != NULL) {
    tool->caller = g_object_ref (cancellable);
    tool->caller_id =
        g_cancellable_connect (cancellable, G_CALLBACK (kill_cancelled_tool),
                               g_object_ref (tool->process), g_object_unref);
  }
  g_subprocess_communicate_utf8_async (tool->process, call->arguments, NULL, tool_exited,
                                       task);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  ToolCall *calls;
  gsize n_calls;
  CallLimits limits;
  GPtrArray *results;
  gsize n_started;
  guint n_running;
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

  tool_calls_free (batch->calls, batch->n_calls);
  g_ptr_array_unref (batch->results);
  g_free (batch);
}

static void start_calls (GTask *task);

static void
on_call_over (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Slot *slot = user_data;
  g_autoptr (GTask) task = slot->task;
  Batch *batch = g_task_get_task_data (task);
  guint took_ms = (g_get_monotonic_time () - slot->start_us) / 1000;
  GError *error = NULL;
  char *output = run_tool_finish (result, &error);
  ToolResult *outcome = tool_result_new (output, error, took_ms);

  print_finish (&batch->calls[slot->index], outcome);
  g_ptr_array_index (batch->results, slot->index) = outcome;
  batch->n_running--;
  start_calls (task);
}

static void
start_calls (GTask *task)
{
  Batch *batch = g_task_get_task_data (task);
  guint max_running =
      batch->limits.max_parallel > 0 ? batch->limits.max_parallel : G_MAXUINT;

  while (batch->n_started < batch->n_calls && batch->n_running < max_running) {
    Slot *slot = g_new (Slot, 1);

    *slot = (Slot){ g_object_ref (task), batch->n_started, g_get_monotonic_time () };
    batch->n_started++;
    batch->n_running++;
    run_tool_async (&batch->calls[slot->index], batch->limits.timeout_ms,
                    g_task_get_cancellable (task), on_call_over, slot);
  }

  if (batch->n_running == 0)
    g_task_return_pointer (task, g_ptr_array_ref (batch->results),
                           (GDestroyNotify) g_ptr_array_unref);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Batch *batch = g_new0 (Batch, 1);

  batch->calls = tool_calls_copy (calls, n_calls);
  batch->n_calls = n_calls;
  batch->limits = *limits;
  batch->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (batch->results, n_calls);

  g_task_set_task_data (task, batch, batch_free);
  g_task_set_check_cancellable (task, FALSE);
  start_calls (task);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  GMainLoop *loop;
  GPtrArray *results;
} Turn;

static void
on_all_over (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Turn *turn = user_data;

  turn->results = call_tools_finish (result, NULL);
  g_main_loop_quit (turn->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Turn turn = { loop, NULL };
  gint64 start_us = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, on_all_over, &turn);
  g_main_loop_run (loop);

  print_messages (reply, turn.results, (g_get_monotonic_time () - start_us) / 1000);
  g_ptr_array_unref (turn.results);
  return 0;
}
