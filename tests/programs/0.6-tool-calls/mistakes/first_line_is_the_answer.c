// mistake: answer-not-read
// The answer is the first line.
/* Writes to the pipe, reads the answer from the pipe, waits for the exit. */
#include "agent.h"

#include <glib-unix.h>
#include <string.h>

typedef enum { GOING, LATE, UNWANTED } Fate;

typedef struct {
  GSubprocess *child;
  GBytes *input;
  GDataInputStream *lines;
  char *answer;
  GCancellable *pipes;
  GCancellable *caller;
  gulong caller_handler;
  guint alarm;
  guint parts_open;
  Fate fate;
  GError *trouble;
} Job;

static void
job_disarm (Job *job)
{
  if (job->alarm != 0)
    g_source_remove (job->alarm);
  job->alarm = 0;
  if (job->caller_handler != 0)
    g_cancellable_disconnect (job->caller, job->caller_handler);
  job->caller_handler = 0;
}

static void
job_free (Job *job)
{
  job_disarm (job);
  g_clear_object (&job->child);
  g_clear_pointer (&job->input, g_bytes_unref);
  g_clear_object (&job->lines);
  g_free (job->answer);
  g_clear_object (&job->pipes);
  g_clear_object (&job->caller);
  g_clear_error (&job->trouble);
  g_free (job);
}

static void
job_stop (Job *job, Fate fate)
{
  if (job->fate != GOING)
    return;
  job->fate = fate;
  g_subprocess_force_exit (job->child);
  g_cancellable_cancel (job->pipes);
}

static gboolean
on_alarm (gpointer data)
{
  Job *job = data;

  job->alarm = 0;
  job_stop (job, LATE);
  return G_SOURCE_REMOVE;
}

static void
caller_says_stop (GCancellable *caller, Job *job)
{
  (void) caller;
  job_stop (job, UNWANTED);
}

static void
job_part_over (GTask *task)
{
  Job *job = g_task_get_task_data (task);

  if (--job->parts_open > 0)
    return;

  job_disarm (job);
  switch (job->fate) {
  case LATE:
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "too late");
    return;
  case UNWANTED:
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "not wanted");
    return;
  case GOING:
    break;
  }

  if (job->trouble != NULL) {
    g_task_return_error (task, g_steal_pointer (&job->trouble));
  } else {
    GError *error = NULL;
    char *answer = read_answer (job->child, job->answer, &error);

    if (answer == NULL)
      g_task_return_error (task, error);
    else
      g_task_return_pointer (task, answer, g_free);
  }
}

static void
job_remember (Job *job, GError *error)
{
  if (job->trouble == NULL)
    job->trouble = error;
  else
    g_error_free (error);
}

static void
written (GObject *pipe, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;

  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (pipe), result, NULL, &error))
    job_remember (g_task_get_task_data (task), error);
  g_output_stream_close (G_OUTPUT_STREAM (pipe), NULL, NULL);
  job_part_over (task);
}

static void
line_read (GObject *stream, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Job *job = g_task_get_task_data (task);
  GError *error = NULL;

  job->answer = g_data_input_stream_read_line_finish_utf8 (G_DATA_INPUT_STREAM (stream),
                                                           result, NULL, &error);
  if (error != NULL)
    job_remember (job, error);
  job_part_over (task);
}

static void
exited (GObject *child, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;

  g_subprocess_wait_finish (G_SUBPROCESS (child), result, NULL);
  job_part_over (task);
}

/* A long text must not block us when the pipe is full. */
static void
make_nonblocking (GOutputStream *pipe)
{
  int fd = -1;

  g_object_get (pipe, "fd", &fd, NULL);
  g_unix_set_fd_nonblocking (fd, TRUE, NULL);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  g_autofree char *path = NULL;
  GError *error = NULL;
  Job *job = g_new0 (Job, 1);
  gsize length;

  g_task_set_task_data (task, job, (GDestroyNotify) job_free);
  if (g_cancellable_set_error_if_cancelled (cancellable, &error)) {
    g_task_return_error (task, error);
    return;
  }

  print_start (call);
  if ((path = find_tool (call, &error)) == NULL) {
    g_task_return_error (task, error);
    return;
  }
  job->child = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                     G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                                 &error, path, NULL);
  if (job->child == NULL) {
    g_task_return_error (task, error);
    return;
  }

  length = strlen (call->arguments);
  job->input = g_bytes_new (call->arguments, length);
  job->lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (job->child));
  job->pipes = g_cancellable_new ();
  job->parts_open = 3;
  make_nonblocking (g_subprocess_get_stdin_pipe (job->child));
  g_output_stream_write_all_async (g_subprocess_get_stdin_pipe (job->child),
                                   g_bytes_get_data (job->input, NULL), length,
                                   G_PRIORITY_DEFAULT, job->pipes, written,
                                   g_object_ref (task));
  g_data_input_stream_read_line_async (job->lines, G_PRIORITY_DEFAULT, job->pipes,
                                       line_read, g_object_ref (task));
  g_subprocess_wait_async (job->child, NULL, exited, g_object_ref (task));

  if (timeout_ms != 0)
    job->alarm = g_timeout_add (timeout_ms, on_alarm, job);
  if (cancellable != NULL) {
    job->caller = g_object_ref (cancellable);
    job->caller_handler =
        g_cancellable_connect (cancellable, G_CALLBACK (caller_says_stop), job, NULL);
  }
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- batch ---- */

typedef struct {
  ToolCall *calls;
  gsize n_calls;
  guint timeout_ms;
  GCancellable *cancellable;
  gboolean bounded;
  guint places; /* free ones, if bounded */
  GQueue waiting;
  gsize unanswered;
  GPtrArray *results;
} Batch;

typedef struct {
  GTask *batch_task;
  gsize index;
  gint64 since;
} Chair;

static void
batch_free (Batch *batch)
{
  tool_calls_free (batch->calls, batch->n_calls);
  g_clear_object (&batch->cancellable);
  g_queue_clear (&batch->waiting);
  g_clear_pointer (&batch->results, g_ptr_array_unref);
  g_free (batch);
}

static void sit_down (GTask *task, Chair *chair);

static void
fill_chairs (GTask *task)
{
  Batch *batch = g_task_get_task_data (task);

  while (!g_queue_is_empty (&batch->waiting) && (!batch->bounded || batch->places > 0)) {
    Chair *chair = g_new0 (Chair, 1);

    chair->index = GPOINTER_TO_SIZE (g_queue_pop_head (&batch->waiting));
    batch->places -= batch->bounded ? 1 : 0;
    sit_down (task, chair);
  }
}

static void
stand_up (GObject *nothing, GAsyncResult *result, gpointer data)
{
  g_autofree Chair *chair = data;
  g_autoptr (GTask) task = chair->batch_task;
  Batch *batch = g_task_get_task_data (task);
  Job *job = g_task_get_task_data (G_TASK (result));
  gint64 took = job->child != NULL ? g_get_monotonic_time () - chair->since : 0;
  GError *error = NULL;
  char *output = run_tool_finish (result, &error);
  ToolResult *answer = tool_result_new (output, error, (guint) (took / 1000));

  (void) nothing;
  batch->results->pdata[chair->index] = answer;
  print_finish (batch->calls + chair->index, answer);
  batch->places += batch->bounded ? 1 : 0;
  if (--batch->unanswered == 0)
    g_task_return_pointer (task, g_steal_pointer (&batch->results),
                           (GDestroyNotify) g_ptr_array_unref);
  else
    fill_chairs (task);
}

static void
sit_down (GTask *task, Chair *chair)
{
  Batch *batch = g_task_get_task_data (task);

  chair->batch_task = g_object_ref (task);
  chair->since = g_get_monotonic_time ();
  run_tool_async (batch->calls + chair->index, batch->timeout_ms, batch->cancellable,
                  stand_up, chair);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  Batch *batch = g_new0 (Batch, 1);

  g_task_set_task_data (task, batch, (GDestroyNotify) batch_free);
  batch->calls = tool_calls_copy (calls, n_calls);
  batch->n_calls = batch->unanswered = n_calls;
  batch->timeout_ms = limits->timeout_ms;
  batch->bounded = limits->max_parallel != 0;
  batch->places = limits->max_parallel;
  if (cancellable != NULL)
    batch->cancellable = g_object_ref (cancellable);
  g_queue_init (&batch->waiting);
  for (gsize i = 0; i < n_calls; i++)
    g_queue_push_tail (&batch->waiting, GSIZE_TO_POINTER (i));
  batch->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (batch->results, (gint) n_calls);

  if (n_calls == 0)
    g_task_return_pointer (task, g_steal_pointer (&batch->results),
                           (GDestroyNotify) g_ptr_array_unref);
  else
    fill_chairs (task);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  GMainLoop *loop;
  GPtrArray *results;
} Finale;

static void
everything_answered (GObject *nothing, GAsyncResult *result, gpointer data)
{
  Finale *finale = data;

  (void) nothing;
  finale->results = call_tools_finish (result, NULL);
  g_main_loop_quit (finale->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  Finale finale = { g_main_loop_new (NULL, FALSE), NULL };
  gint64 begin = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, everything_answered,
                    &finale);
  g_main_loop_run (finale.loop);
  print_messages (reply, finale.results,
                  (guint) ((g_get_monotonic_time () - begin) / 1000));
  g_ptr_array_unref (finale.results);
  g_main_loop_unref (finale.loop);
  return 0;
}
