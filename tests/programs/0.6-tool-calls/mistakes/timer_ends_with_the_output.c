// mistake: no-timeout
// With the output the call is as good as over, so the timer is no longer needed.
/* Module 0.6.  Reads the answer piece by piece; a state for each thing we wait for:
 * first for the answer, then for the exit. */
#include "agent.h"

#include <string.h>

typedef enum { LISTENING, LEAVING, KILLED } State;

typedef struct {
  State state;
  GSubprocess *process;
  GCancellable *stop;
  gulong stop_id;
  guint timer_id;
  GString *heard;
  GError *error;
} Session;

static void next (GObject *source, GAsyncResult *result, gpointer user_data);

static void
stop_timer (Session *s)
{
  if (s->timer_id != 0)
    g_source_remove (s->timer_id);
  s->timer_id = 0;
}

static void
session_free (gpointer data)
{
  Session *s = data;

  stop_timer (s);
  g_clear_object (&s->process);
  g_clear_object (&s->stop);
  g_clear_error (&s->error);
  g_string_free (s->heard, TRUE);
  g_free (s);
}

static gboolean
time_is_up (gpointer data)
{
  Session *s = data;

  s->timer_id = 0;
  if (s->error == NULL)
    s->error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "time is up");
  g_subprocess_force_exit (s->process);
  g_cancellable_cancel (s->stop);
  return G_SOURCE_REMOVE;
}

static void
not_wanted (GCancellable *cancellable, gpointer data)
{
  Session *s = data;

  (void) cancellable;
  if (s->error == NULL)
    s->error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "not wanted");
  g_subprocess_force_exit (s->process);
  g_cancellable_cancel (s->stop);
}

static void
listen_on (GTask *task)
{
  Session *s = g_task_get_task_data (task);

  g_input_stream_read_bytes_async (g_subprocess_get_stdout_pipe (s->process), 16 * 1024,
                                   G_PRIORITY_DEFAULT, s->stop, next, task);
}

static void
kill_it (GTask *task, GError *error)
{
  Session *s = g_task_get_task_data (task);

  if (s->error == NULL)
    s->error = error;
  else
    g_error_free (error); /* only says that we stopped */
  s->state = KILLED;
  g_subprocess_force_exit (s->process);
  g_subprocess_wait_async (s->process, NULL, next, task);
}

static void
end (GTask *task)
{
  Session *s = g_task_get_task_data (task);
  char *answer = NULL;

  stop_timer (s);
  g_cancellable_disconnect (g_task_get_cancellable (task), s->stop_id);
  s->stop_id = 0;
  if (s->error == NULL) {
    gboolean is_text = g_utf8_validate_len (s->heard->str, s->heard->len, NULL);

    answer = read_answer (s->process, is_text ? s->heard->str : NULL, &s->error);
  }
  if (s->error != NULL)
    g_task_return_error (task, g_steal_pointer (&s->error));
  else
    g_task_return_pointer (task, answer, g_free);
  g_object_unref (task);
}

/* Each event brings us one state further. */
static void
next (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;
  Session *s = g_task_get_task_data (task);
  GError *error = NULL;
  GBytes *piece;

  switch (s->state) {
  case LISTENING:
    piece = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);
    if (piece == NULL) {
      kill_it (task, error);
      return;
    }
    if (g_bytes_get_size (piece) > 0) {
      g_string_append_len (s->heard, g_bytes_get_data (piece, NULL),
                           g_bytes_get_size (piece));
      listen_on (task);
    } else {
      /* The answer is complete, and in time. */
      stop_timer (s);
      s->state = LEAVING;
      g_subprocess_wait_async (s->process, s->stop, next, task);
    }
    g_bytes_unref (piece);
    return;

  case LEAVING:
    if (!g_subprocess_wait_finish (s->process, result, &error)) {
      kill_it (task, error);
      return;
    }
    end (task);
    return;

  case KILLED:
    g_subprocess_wait_finish (s->process, result, NULL);
    end (task);
    return;
  }
}

/* Whether it has listened to all of it, its answer will show. */
static void
told (GObject *stdin_pipe, GAsyncResult *result, gpointer user_data)
{
  GTask *task = user_data;

  g_output_stream_splice_finish (G_OUTPUT_STREAM (stdin_pipe), result, NULL);
  g_object_unref (task);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Session *s = g_new0 (Session, 1);
  GInputStream *words;
  char *program = NULL;

  s->heard = g_string_new (NULL);
  s->stop = g_cancellable_new ();
  g_task_set_task_data (task, s, session_free);

  if (!g_cancellable_set_error_if_cancelled (cancellable, &s->error)) {
    print_start (call);
    program = find_tool (call, &s->error);
  }
  if (program != NULL)
    s->process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE
                                       | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                                   &s->error, program, NULL);
  g_free (program);
  if (s->process == NULL) {
    g_task_return_error (task, g_steal_pointer (&s->error));
    g_object_unref (task);
    return;
  }

  if (timeout_ms > 0)
    s->timer_id = g_timeout_add (timeout_ms, time_is_up, s);
  if (cancellable != NULL)
    s->stop_id = g_cancellable_connect (cancellable, G_CALLBACK (not_wanted), s, NULL);

  words = g_memory_input_stream_new_from_data (g_strdup (call->arguments),
                                               strlen (call->arguments), g_free);
  g_output_stream_splice_async (g_subprocess_get_stdin_pipe (s->process), words,
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE
                                    | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, s->stop, told, g_object_ref (task));
  g_object_unref (words);
  s->state = LISTENING;
  listen_on (task);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- The batch ---- */

typedef struct {
  ToolCall *calls;
  gsize n_calls;
  CallLimits limits;
  GPtrArray *results;
  GArray *starts; /* of gint64; its length is the number of calls started */
  guint n_over;
} Batch;

typedef struct {
  GTask *task;
  guint index;
} Place;

static void
batch_free (gpointer data)
{
  Batch *batch = data;

  tool_calls_free (batch->calls, batch->n_calls);
  g_ptr_array_unref (batch->results);
  g_array_unref (batch->starts);
  g_free (batch);
}

static gboolean
has_room (const Batch *batch)
{
  guint running = batch->starts->len - batch->n_over;

  return batch->limits.max_parallel == 0 || running < batch->limits.max_parallel;
}

static void fill (GTask *task);

static void
on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Place *place = user_data;
  GTask *task = place->task;
  Batch *batch = g_task_get_task_data (task);
  gint64 start = g_array_index (batch->starts, gint64, place->index);
  GError *error = NULL;
  char *output = run_tool_finish (result, &error);

  (void) source;
  batch->results->pdata[place->index] =
      tool_result_new (output, error, (g_get_monotonic_time () - start) / 1000);
  print_finish (&batch->calls[place->index], batch->results->pdata[place->index]);
  batch->n_over++;
  g_free (place);
  fill (task);
  g_object_unref (task);
}

static void
fill (GTask *task)
{
  Batch *batch = g_task_get_task_data (task);

  while (batch->starts->len < batch->n_calls && has_room (batch)) {
    Place *place = g_new (Place, 1);
    gint64 now = g_get_monotonic_time ();

    place->task = g_object_ref (task);
    place->index = batch->starts->len;
    g_array_append_val (batch->starts, now);
    run_tool_async (&batch->calls[place->index], batch->limits.timeout_ms,
                    g_task_get_cancellable (task), on_result, place);
  }
  if (batch->n_over == batch->n_calls)
    g_task_return_pointer (task, g_ptr_array_ref (batch->results),
                           (GDestroyNotify) g_ptr_array_unref);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Batch *batch = g_new0 (Batch, 1);

  batch->calls = tool_calls_copy (calls, n_calls);
  batch->n_calls = n_calls;
  batch->limits = *limits;
  batch->starts = g_array_new (FALSE, FALSE, sizeof (gint64));
  batch->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (batch->results, n_calls);
  g_task_set_task_data (task, batch, batch_free);
  g_task_set_check_cancellable (task, FALSE);
  fill (task);
  g_object_unref (task);
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
on_results (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Turn *turn = user_data;

  (void) source;
  turn->results = call_tools_finish (result, NULL);
  g_main_loop_quit (turn->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  Turn turn = { g_main_loop_new (NULL, FALSE), NULL };
  gint64 start = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, on_results, &turn);
  g_main_loop_run (turn.loop);
  print_messages (reply, turn.results, (g_get_monotonic_time () - start) / 1000);
  g_ptr_array_unref (turn.results);
  g_main_loop_unref (turn.loop);
  return 0;
}
