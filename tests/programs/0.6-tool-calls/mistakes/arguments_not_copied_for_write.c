// mistake: dangling-user-data
// The arguments are written at once; what is there to copy?
#include "agent.h"

#include <string.h>

/* ---- one tool, by its streams: three things to wait for, and the last one reports ----
 */

typedef struct {
  GTask *task;
  GSubprocess *process;
  char *question;
  GOutputStream *heard; /* grows as the tool writes */
  guint open;           /* parts that are still under way */
  guint alarm;
  GCancellable *button;
  gulong pressed_id;
  gboolean late;
} Talk;

static void
talk_part_over (Talk *talk)
{
  GError *error = NULL;
  g_autofree char *text = NULL;
  char *answer = NULL;

  if (--talk->open > 0)
    return;

  if (talk->alarm > 0)
    g_source_remove (talk->alarm);
  if (talk->button != NULL)
    g_cancellable_disconnect (talk->button, talk->pressed_id);

  text = g_strndup (
      g_memory_output_stream_get_data (G_MEMORY_OUTPUT_STREAM (talk->heard)),
      g_memory_output_stream_get_data_size (G_MEMORY_OUTPUT_STREAM (talk->heard)));
  if (talk->late)
    g_set_error (&error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "time is up");
  else if (!g_cancellable_set_error_if_cancelled (talk->button, &error))
    answer = read_answer (talk->process, text, &error);

  if (answer == NULL)
    g_task_return_error (talk->task, error);
  else
    g_task_return_pointer (talk->task, answer, g_free);

  g_clear_object (&talk->button);
  g_object_unref (talk->heard);
  g_object_unref (talk->process);
  g_object_unref (talk->task);
  g_free (talk);
}

static void
on_written (GObject *pipe, GAsyncResult *result, gpointer user_data)
{
  Talk *talk = user_data;

  g_output_stream_write_all_finish (G_OUTPUT_STREAM (pipe), result, NULL, NULL);
  g_output_stream_close (G_OUTPUT_STREAM (pipe), NULL, NULL);
  talk_part_over (talk);
}

static void
on_heard (GObject *stream, GAsyncResult *result, gpointer user_data)
{
  g_output_stream_splice_finish (G_OUTPUT_STREAM (stream), result, NULL);
  talk_part_over (user_data);
}

static void
on_exited (GObject *process, GAsyncResult *result, gpointer user_data)
{
  g_subprocess_wait_finish (G_SUBPROCESS (process), result, NULL);
  talk_part_over (user_data);
}

static gboolean
on_alarm (gpointer user_data)
{
  Talk *talk = user_data;

  talk->alarm = 0;
  talk->late = TRUE;
  g_subprocess_force_exit (talk->process);
  return G_SOURCE_REMOVE;
}

static void
on_button (GCancellable *button, Talk *talk)
{
  g_subprocess_force_exit (talk->process);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *program = NULL;
  GSubprocess *process = NULL;
  GError *error = NULL;
  Talk *talk;

  if (g_task_return_error_if_cancelled (task)) {
    g_object_unref (task);
    return;
  }
  print_start (call);
  program = find_tool (call, &error);
  if (program)
    process =
        g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                          &error, program, NULL);
  if (!process) {
    g_task_return_error (task, error);
    g_object_unref (task);
    return;
  }

  talk = g_new0 (Talk, 1);
  talk->task = task;
  talk->process = process;
  talk->question = (char *) call->arguments;
  talk->heard = g_memory_output_stream_new_resizable ();
  talk->open = 3;
  g_output_stream_write_all_async (g_subprocess_get_stdin_pipe (process), talk->question,
                                   strlen (talk->question), G_PRIORITY_DEFAULT, NULL,
                                   on_written, talk);
  g_output_stream_splice_async (talk->heard, g_subprocess_get_stdout_pipe (process),
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE |
                                    G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, NULL, on_heard, talk);
  g_subprocess_wait_async (process, NULL, on_exited, talk);
  if (timeout_ms > 0)
    talk->alarm = g_timeout_add (timeout_ms, on_alarm, talk);
  if (cancellable) {
    talk->button = g_object_ref (cancellable);
    talk->pressed_id =
        g_cancellable_connect (cancellable, G_CALLBACK (on_button), talk, NULL);
  }
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

/* ---- the program ---- */

static void
turn_over (GObject *source, GAsyncResult *result, gpointer loop_and_results)
{
  gpointer *pair = loop_and_results;

  pair[1] = call_tools_finish (result, NULL);
  g_main_loop_quit (pair[0]);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  gint64 start = g_get_monotonic_time ();
  gpointer pair[2] = { g_main_loop_new (NULL, FALSE), NULL };

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, turn_over, pair);
  g_main_loop_run (pair[0]);
  print_messages (reply, pair[1], (g_get_monotonic_time () - start) / 1000);
  g_ptr_array_free (pair[1], TRUE);
  g_main_loop_unref (pair[0]);
  return 0;
}
