// variant: a clock that ticks every 8 ms looks whether a deadline is over
#include "agent.h"

/* ---- One call: a process, and two reasons to end it before it is done ---- */

typedef struct {
  GSubprocess *process;
  GCancellable *stop;   /* cancelled by the deadline, or by the caller */
  gint64 deadline_us;
  guint clock_id; /* 0: no deadline */
  GCancellable *caller; /* NULL: nobody can cancel */
  gulong caller_id;
  gboolean timed_out;
  GError *error;
} RunningTool;

static void
running_tool_free (gpointer data)
{
  RunningTool *running = data;

  g_clear_handle_id (&running->clock_id, g_source_remove);
  g_cancellable_disconnect (running->caller, running->caller_id);
  g_clear_object (&running->caller);
  g_clear_object (&running->stop);
  g_clear_object (&running->process);
  g_clear_error (&running->error);
  g_free (running);
}

/* Neither the deadline nor the caller completes the call, which would then complete a
 * second time with its answer: they stop the waiting, and on_answer() hears of it. */

static gboolean
on_tick (gpointer user_data)
{
  RunningTool *running = user_data;

  if (g_get_monotonic_time () < running->deadline_us)
    return G_SOURCE_CONTINUE;
  running->clock_id = 0;
  running->timed_out = TRUE;
  g_cancellable_cancel (running->stop);
  return G_SOURCE_REMOVE;
}

static void
on_caller_cancelled (GCancellable *caller, gpointer user_data)
{
  RunningTool *running = user_data;

  g_cancellable_cancel (running->stop);
}

static void
arrange_to_stop (RunningTool *running, guint timeout_ms, GCancellable *caller)
{
  running->stop = g_cancellable_new ();
  if (timeout_ms > 0) {
    running->deadline_us = g_get_monotonic_time () + timeout_ms * G_GINT64_CONSTANT (1000);
    running->clock_id = g_timeout_add (8, on_tick, running);
  }
  if (caller != NULL) {
    running->caller = g_object_ref (caller);
    running->caller_id =
        g_cancellable_connect (caller, G_CALLBACK (on_caller_cancelled), running, NULL);
  }
}

static void
on_reaped (GObject *process, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  RunningTool *running = g_task_get_task_data (task);

  g_subprocess_wait_finish (running->process, result, NULL);
  if (running->timed_out)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in time");
  else
    g_task_return_error (task, g_steal_pointer (&running->error));
}

static void
on_answer (GObject *process, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  RunningTool *running = g_task_get_task_data (task);
  g_autofree char *output = NULL;
  GError *error = NULL;
  char *answer;

  if (!g_subprocess_communicate_utf8_finish (running->process, result, &output, NULL,
                                             &running->error)) {
    /* We stopped waiting; the process runs on.  The call is over when that is gone. */
    g_subprocess_force_exit (running->process);
    g_subprocess_wait_async (running->process, NULL, on_reaped, g_steal_pointer (&task));
    return;
  }

  answer = read_answer (running->process, output, &error);
  if (answer != NULL)
    g_task_return_pointer (task, answer, g_free);
  else
    g_task_return_error (task, error);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  RunningTool *running = g_new0 (RunningTool, 1);
  g_autofree char *program = NULL;
  GError *error = NULL;

  g_task_set_task_data (task, running, running_tool_free);
  if (g_task_return_error_if_cancelled (task))
    return;

  print_start (call);
  program = find_tool (call, &error);
  if (program != NULL)
    running->process =
        g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                          &error, program, NULL);
  if (running->process == NULL) {
    g_task_return_error (task, error); /* The task calls back from the loop, as always. */
    return;
  }

  arrange_to_stop (running, timeout_ms, cancellable);
  g_subprocess_communicate_utf8_async (running->process, call->arguments, running->stop,
                                       on_answer, g_steal_pointer (&task));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- All the calls of a reply: start while there is room, count what is running ---- */

typedef struct {
  ToolCall *calls; /* copies: the later ones start when the caller's may be gone */
  gsize n_calls;
  CallLimits limits;
  GPtrArray *results;
  gsize n_started;
  guint n_running;
} Batch;

/* One per running call, so that its result finds its place whatever finishes first. */
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

/* Also how a batch ends, even an empty or a cancelled one: nothing runs, nothing waits.
 */
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
  g_task_set_check_cancellable (task, FALSE); /* Cancelled calls have results, too. */
  start_calls (task);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- The program: one turn of an agent ---- */

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
