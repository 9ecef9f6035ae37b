// mistake: hard-coded
// One bit for each call that is not over: the batch is over when the word is 0.
#include "agent.h"

typedef enum { END_NATURAL, END_DEADLINE, END_CANCELLED } EndReason;

typedef struct {
  GTask *task;
  GSubprocess *proc;
  GSource *deadline;
  GCancellable *cancellable;
  gulong cancelled_id;
  EndReason reason;
} Tool;

static void
tool_end (Tool *tool, char *answer, GError *error)
{
  if (tool->deadline) {
    g_source_destroy (tool->deadline);
    g_source_unref (tool->deadline);
  }
  if (tool->cancellable) {
    g_cancellable_disconnect (tool->cancellable, tool->cancelled_id);
    g_object_unref (tool->cancellable);
  }
  if (error)
    g_task_return_error (tool->task, error);
  else
    g_task_return_pointer (tool->task, answer, g_free);
  g_object_unref (tool->task);
  g_object_unref (tool->proc);
  g_slice_free (Tool, tool);
}

static gboolean
tool_deadline (gpointer p)
{
  Tool *tool = p;

  if (tool->reason == END_NATURAL)
    tool->reason = END_DEADLINE;
  g_subprocess_force_exit (tool->proc);
  return G_SOURCE_REMOVE;
}

static void
tool_cancelled (GCancellable *cancellable, gpointer p)
{
  Tool *tool = p;

  if (tool->reason == END_NATURAL)
    tool->reason = END_CANCELLED;
  g_subprocess_force_exit (tool->proc);
}

static void
tool_exited (GObject *proc, GAsyncResult *res, gpointer p)
{
  Tool *tool = p;
  GError *error = NULL;
  char *out = NULL, *answer = NULL;

  g_subprocess_communicate_utf8_finish (tool->proc, res, &out, NULL, &error);
  if (tool->reason != END_NATURAL) {
    g_clear_error (&error);
    error = tool->reason == END_DEADLINE
                ? g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "deadline")
                : g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
  } else if (!error) {
    answer = read_answer (tool->proc, out, &error);
  }
  g_free (out);
  tool_end (tool, answer, error);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  g_autofree char *path = NULL;
  GSubprocess *proc;
  GError *error = NULL;
  Tool *tool;

  if (g_cancellable_set_error_if_cancelled (cancellable, &error)) {
    g_task_return_error (task, error);
    return;
  }
  print_start (call);
  if (!(path = find_tool (call, &error)) ||
      !(proc = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                     G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                                 &error, path, NULL))) {
    g_task_return_error (task, error);
    return;
  }
  tool = g_slice_new0 (Tool);
  tool->task = g_steal_pointer (&task);
  tool->proc = proc;
  if (timeout_ms) {
    tool->deadline = g_timeout_source_new (timeout_ms);
    g_source_set_callback (tool->deadline, tool_deadline, tool, NULL);
    g_source_attach (tool->deadline, NULL);
  }
  if (cancellable) {
    tool->cancellable = g_object_ref (cancellable);
    tool->cancelled_id =
        g_cancellable_connect (cancellable, G_CALLBACK (tool_cancelled), tool, NULL);
  }
  g_subprocess_communicate_utf8_async (proc, call->arguments, NULL, tool_exited, tool);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  GTask *task;
  ToolCall *calls;
  guint32 running; /* bit i: call i runs */
  guint32 over;    /* bit i: call i is over */
  guint32 all;
  guint next, n;
  guint max_parallel, timeout_ms;
  GPtrArray *results;
  gint64 *start;
} Batch;

typedef struct {
  Batch *batch;
  guint i;
} Bit;

static void batch_step (Batch *b);

static void
bit_over (GObject *source, GAsyncResult *res, gpointer data)
{
  Bit bit = *(Bit *) data;
  Batch *b = bit.batch;
  GError *error = NULL;
  char *text = run_tool_finish (res, &error);

  g_free (data);
  b->results->pdata[bit.i] =
      tool_result_new (text, error, (g_get_monotonic_time () - b->start[bit.i]) / 1000);
  print_finish (&b->calls[bit.i], b->results->pdata[bit.i]);
  b->running &= ~(1u << bit.i);
  b->over |= 1u << bit.i;
  batch_step (b);
}

static void
batch_step (Batch *b)
{
  while (b->next < b->n && (b->max_parallel == 0 ||
                            (guint) __builtin_popcount (b->running) < b->max_parallel)) {
    Bit *bit = g_new (Bit, 1);

    *bit = (Bit){ b, b->next++ };
    b->running |= 1u << bit->i;
    b->start[bit->i] = g_get_monotonic_time ();
    run_tool_async (&b->calls[bit->i], b->timeout_ms, g_task_get_cancellable (b->task),
                    bit_over, bit);
  }
  if (b->over == b->all) {
    g_task_return_pointer (b->task, b->results, (GDestroyNotify) g_ptr_array_unref);
    g_object_unref (b->task);
    tool_calls_free (b->calls, b->n);
    g_free (b->start);
    g_free (b);
  }
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Batch *b = g_new0 (Batch, 1);

  b->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_check_cancellable (b->task, FALSE);
  b->calls = tool_calls_copy (calls, n_calls);
  b->n = n_calls;
  b->all = (1u << n_calls) - 1;
  b->max_parallel = limits->max_parallel;
  b->timeout_ms = limits->timeout_ms;
  b->start = g_new0 (gint64, n_calls);
  b->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (b->results, n_calls);
  batch_step (b);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  GMainLoop *loop;
  Reply *reply;
  gint64 start_us;
} App;

static void
on_batch_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  App *app = user_data;
  g_autoptr (GPtrArray) results = call_tools_finish (result, NULL);

  print_messages (app->reply, results, (g_get_monotonic_time () - app->start_us) / 1000);
  g_main_loop_quit (app->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  App app = { g_main_loop_new (NULL, FALSE), reply, g_get_monotonic_time () };

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, on_batch_done, &app);
  g_main_loop_run (app.loop);
  g_main_loop_unref (app.loop);
  return 0;
}
