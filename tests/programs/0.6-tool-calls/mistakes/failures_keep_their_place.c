// mistake: one-failure-sinks-all
/* tool_calls.c */
#include "agent.h"
#include <string.h>

/* Three things go on for each tool: writing, reading, and waiting for the exit. */
typedef struct {
  GSubprocess *tool;
  char *request;
  GOutputStream *answer;
  int open_ends;
  guint timer_id;
  GSource *cancel_source;
  gboolean expired, cancelled;
} Conversation;

static void
conversation_free (gpointer data)
{
  Conversation *c = data;

  if (c->timer_id != 0)
    g_source_remove (c->timer_id);
  if (c->cancel_source != NULL) {
    g_source_destroy (c->cancel_source);
    g_source_unref (c->cancel_source);
  }
  g_clear_object (&c->tool);
  g_clear_object (&c->answer);
  g_free (c->request);
  g_free (c);
}

static gboolean
expire (gpointer data)
{
  Conversation *c = data;

  c->timer_id = 0;
  c->expired = !c->cancelled;
  g_subprocess_force_exit (c->tool);
  return G_SOURCE_REMOVE;
}

static gboolean
abandon (GCancellable *cancellable, gpointer data)
{
  Conversation *c = data;

  c->cancelled = !c->expired;
  g_subprocess_force_exit (c->tool);
  return G_SOURCE_REMOVE;
}

static void
one_end_less (GTask *task)
{
  Conversation *c = g_task_get_task_data (task);

  if (--c->open_ends == 0) {
    GError *error = NULL;
    if (c->expired)
      g_set_error (&error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "too slow");
    else if (c->cancelled)
      g_set_error (&error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
    if (error != NULL) {
      g_task_return_error (task, error);
    } else {
      GMemoryOutputStream *memory = G_MEMORY_OUTPUT_STREAM (c->answer);
      g_autofree char *text = g_strndup (g_memory_output_stream_get_data (memory),
                                         g_memory_output_stream_get_data_size (memory));
      char *answer = read_answer (c->tool, text, &error);
      if (answer)
        g_task_return_pointer (task, answer, g_free);
      else
        g_task_return_error (task, error);
    }
  }
  g_object_unref (task);
}

static void
on_closed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_output_stream_close_finish (G_OUTPUT_STREAM (source), result, NULL);
  one_end_less (data);
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL);
  g_output_stream_close_async (G_OUTPUT_STREAM (source), G_PRIORITY_DEFAULT, NULL, on_closed, data);
}

static void
on_spliced (GObject *source, GAsyncResult *result, gpointer data)
{
  g_output_stream_splice_finish (G_OUTPUT_STREAM (source), result, NULL);
  one_end_less (data);
}

static void
on_exited (GObject *source, GAsyncResult *result, gpointer data)
{
  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  one_end_less (data);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Conversation *c = g_new0 (Conversation, 1);
  GError *error = NULL;
  g_autofree char *program = NULL;

  g_task_set_task_data (task, c, conversation_free);
  if (g_task_return_error_if_cancelled (task))
    return;
  print_start (call);
  program = find_tool (call, &error);
  if (program == NULL) {
    g_task_return_error (task, error);
    return;
  }
  c->tool = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                              &error, program, NULL);
  if (c->tool == NULL) {
    g_task_return_error (task, error);
    return;
  }
  c->request = g_strdup (call->arguments);
  c->answer = g_memory_output_stream_new_resizable ();
  c->open_ends = 3;
  if (timeout_ms)
    c->timer_id = g_timeout_add (timeout_ms, expire, c);
  if (cancellable != NULL) {
    c->cancel_source = g_cancellable_source_new (cancellable);
    g_source_set_callback (c->cancel_source, G_SOURCE_FUNC (abandon), c, NULL);
    g_source_attach (c->cancel_source, NULL);
  }
  g_output_stream_write_all_async (g_subprocess_get_stdin_pipe (c->tool), c->request, strlen (c->request),
                                   G_PRIORITY_DEFAULT, NULL, on_written, g_object_ref (task));
  g_output_stream_splice_async (c->answer, g_subprocess_get_stdout_pipe (c->tool),
                                G_OUTPUT_STREAM_SPLICE_CLOSE_SOURCE | G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET,
                                G_PRIORITY_DEFAULT, NULL, on_spliced, g_object_ref (task));
  g_subprocess_wait_async (c->tool, NULL, on_exited, g_object_ref (task));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* One block for the whole batch, counted by its users. */
typedef struct batch batch_t;
struct slot {
  batch_t *batch;
  gint64 t0;
  ToolResult *res;
};
struct batch {
  GTask *task;
  ToolCall *calls;
  gsize n, started, finished;
  guint active, max, timeout;
  struct slot slots[];
};

static void
batch_clear (gpointer mem)
{
  batch_t *b = mem;
  tool_calls_free (b->calls, b->n);
  g_object_unref (b->task);
}

#define batch_unref(b) g_rc_box_release_full ((b), batch_clear)

static void batch_run (batch_t *b);

static void
slot_done (GObject *o, GAsyncResult *r, gpointer p)
{
  struct slot *s = p;
  batch_t *b = s->batch;
  gsize i = s - b->slots;
  GError *e = NULL;
  char *out = run_tool_finish (r, &e);

  s->res = tool_result_new (out, e, (g_get_monotonic_time () - s->t0) / 1000);
  print_finish (&b->calls[i], s->res);
  if (s->res->status == TOOL_SUCCEEDED)
    b->active--;
  b->finished++;
  batch_run (b);
  batch_unref (b);
}

static void
batch_run (batch_t *b)
{
  for (; b->started < b->n && b->active < b->max; b->active++) {
    struct slot *s = &b->slots[b->started++];
    s->batch = g_rc_box_acquire (b);
    s->t0 = g_get_monotonic_time ();
    run_tool_async (&b->calls[s - b->slots], b->timeout, g_task_get_cancellable (b->task), slot_done, s);
  }
  if (b->finished == b->n) {
    GPtrArray *a = g_ptr_array_new_with_free_func (tool_result_free);
    for (gsize i = 0; i < b->n; i++)
      g_ptr_array_add (a, b->slots[i].res);
    g_task_return_pointer (b->task, a, (GDestroyNotify) g_ptr_array_unref);
  }
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  batch_t *b = g_rc_box_alloc0 (sizeof (batch_t) + n_calls * sizeof (struct slot));

  b->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_check_cancellable (b->task, FALSE);
  b->calls = tool_calls_copy (calls, n_calls);
  b->n = n_calls;
  b->max = limits->max_parallel ? limits->max_parallel : G_MAXUINT;
  b->timeout = limits->timeout_ms;
  batch_run (b);
  batch_unref (b);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
keep_results (GObject *source, GAsyncResult *result, gpointer data)
{
  GPtrArray **where = data;

  *where = call_tools_finish (result, NULL);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GTimer) timer = g_timer_new ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, keep_results, &results);
  while (results == NULL)
    g_main_context_iteration (NULL, TRUE);
  print_messages (reply, results, (guint) (g_timer_elapsed (timer, NULL) * 1000));
  return 0;
}
