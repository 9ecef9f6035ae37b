// mistake: dangling-user-data
// The arguments are wrapped in GBytes, which copies nothing of what is static.
#include "agent.h"

#include <string.h>

/**** one call ****/

typedef struct {
  GSubprocess *sub;
  GCancellable *io;
  GCancellable *caller;
  GSource *timer;
  GSource *watch;
  GIOErrorEnum stopped_by; /* G_IO_ERROR_FAILED: nobody has stopped it */
  GError *err;
} Job;

static void
drop_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_source_unref (*source);
  *source = NULL;
}

static void
run_destroy (gpointer p)
{
  Job *job = p;

  drop_source (&job->timer);
  drop_source (&job->watch);
  g_clear_object (&job->io);
  g_clear_object (&job->caller);
  g_clear_object (&job->sub);
  g_clear_error (&job->err);
  g_slice_free (Job, job);
}

static gboolean
was_started (GAsyncResult *res)
{
  Job *job = g_task_get_task_data (G_TASK (res));

  return job->sub != NULL;
}

static gboolean
time_is_up (gpointer task)
{
  Job *job = g_task_get_task_data (task);

  if (job->stopped_by == G_IO_ERROR_FAILED) {
    job->stopped_by = G_IO_ERROR_TIMED_OUT;
    g_cancellable_cancel (job->io);
  }
  return G_SOURCE_REMOVE;
}

static gboolean
caller_gave_up (GCancellable *cancellable, gpointer task)
{
  Job *job = g_task_get_task_data (task);

  (void) cancellable;
  if (job->stopped_by == G_IO_ERROR_FAILED) {
    job->stopped_by = G_IO_ERROR_CANCELLED;
    g_cancellable_cancel (job->io);
  }
  return G_SOURCE_REMOVE;
}

static void
run_report (GTask *task, char *answer)
{
  Job *job = g_task_get_task_data (task);

  /* The sources hold the task. */
  drop_source (&job->timer);
  drop_source (&job->watch);

  /* The watch may not have had its turn yet. */
  if (job->stopped_by == G_IO_ERROR_FAILED && job->caller && g_cancellable_is_cancelled (job->caller))
    job->stopped_by = G_IO_ERROR_CANCELLED;

  if (job->stopped_by != G_IO_ERROR_FAILED)
    g_task_return_new_error (task, G_IO_ERROR, job->stopped_by, "%s",
                             job->stopped_by == G_IO_ERROR_TIMED_OUT ? "time is up" : "given up");
  else if (answer != NULL)
    g_task_return_pointer (task, g_steal_pointer (&answer), g_free);
  else
    g_task_return_error (task, g_steal_pointer (&job->err));
  g_free (answer);
  g_object_unref (task);
}

static void
is_gone (GObject *sub, GAsyncResult *res, gpointer task)
{
  g_subprocess_wait_finish (G_SUBPROCESS (sub), res, NULL);
  run_report (task, NULL);
}

static char *
bytes_to_text (GBytes *bytes)
{
  gsize size = 0;
  const char *data = bytes != NULL ? g_bytes_get_data (bytes, &size) : NULL;

  if (size == 0 || !g_utf8_validate_len (data, size, NULL))
    return NULL;
  return g_strndup (data, size);
}

static void
has_talked (GObject *sub, GAsyncResult *res, gpointer task)
{
  Job *job = g_task_get_task_data (task);
  GBytes *bytes = NULL;
  char *text;
  char *answer;

  if (!g_subprocess_communicate_finish (G_SUBPROCESS (sub), res, &bytes, NULL, &job->err)) {
    g_subprocess_force_exit (job->sub);
    g_subprocess_wait_async (job->sub, NULL, is_gone, task);
    return;
  }
  text = bytes_to_text (bytes);
  answer = read_answer (job->sub, text, &job->err);
  g_free (text);
  if (bytes != NULL)
    g_bytes_unref (bytes);
  run_report (task, answer);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  Job *job = g_slice_new0 (Job);
  char *program;
  GBytes *input;

  job->stopped_by = G_IO_ERROR_FAILED;
  g_task_set_task_data (task, job, run_destroy);

  if (g_cancellable_is_cancelled (cancellable)) {
    job->stopped_by = G_IO_ERROR_CANCELLED;
    run_report (task, NULL);
    return;
  }

  print_start (call);
  program = find_tool (call, &job->err);
  if (program == NULL) {
    run_report (task, NULL);
    return;
  }
  {
    const char *argv[] = { program, NULL };

    job->sub = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                 G_SUBPROCESS_FLAGS_STDIN_PIPE, &job->err);
    g_free (program);
  }
  if (job->sub == NULL) {
    run_report (task, NULL);
    return;
  }

  job->io = g_cancellable_new ();
  if (timeout_ms) {
    job->timer = g_timeout_source_new (timeout_ms);
    g_task_attach_source (task, job->timer, time_is_up);
  }
  if (cancellable) {
    job->caller = g_object_ref (cancellable);
    job->watch = g_cancellable_source_new (cancellable);
    g_task_attach_source (task, job->watch, G_SOURCE_FUNC (caller_gave_up));
  }
  input = g_bytes_new_static (call->arguments, strlen (call->arguments));
  g_subprocess_communicate_async (job->sub, input, job->io, has_talked, task);
  g_bytes_unref (input);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/**** many calls ****/

typedef struct Batch Batch;

typedef struct {
  Batch *batch;
  GTask *owner; /* a reference while this call is under way */
  gint64 t0;
  ToolResult *result;
} Slot;

struct Batch {
  ToolCall *calls;
  Slot *slots;
  gsize total, next, finished;
  CallLimits limits;
  GCancellable *cancellable;
};

static void
batch_destroy (gpointer p)
{
  Batch *b = p;
  gsize i;

  for (i = 0; i < b->total; i++)
    tool_result_free (b->slots[i].result);
  g_free (b->slots);
  tool_calls_free (b->calls, b->total);
  if (b->cancellable)
    g_object_unref (b->cancellable);
  g_slice_free (Batch, b);
}

static void batch_push (GTask *task);

static void
ticket_done (GObject *source, GAsyncResult *res, gpointer p)
{
  Slot *slot = p;
  Batch *b = slot->batch;
  GTask *owner = g_steal_pointer (&slot->owner);
  gint64 t = was_started (res) ? g_get_monotonic_time () - slot->t0 : 0;
  GError *err = NULL;
  char *out = run_tool_finish (res, &err);

  (void) source;
  slot->result = tool_result_new (out, err, t / G_TIME_SPAN_MILLISECOND);
  print_finish (&b->calls[slot - b->slots], slot->result);
  b->finished++;
  batch_push (owner);
  g_object_unref (owner);
}

static void
batch_push (GTask *task)
{
  Batch *b = g_task_get_task_data (task);
  GPtrArray *all;

  for (;;) {
    gsize running = b->next - b->finished;
    Slot *slot;

    if (b->next == b->total)
      break;
    if (b->limits.max_parallel && running >= b->limits.max_parallel)
      break;
    slot = &b->slots[b->next];
    slot->batch = b;
    slot->owner = g_object_ref (task);
    slot->t0 = g_get_monotonic_time ();
    run_tool_async (&b->calls[b->next++], b->limits.timeout_ms, b->cancellable,
                    ticket_done, slot);
  }

  if (b->finished < b->total)
    return;

  all = g_ptr_array_new_full (b->total, tool_result_free);
  for (gsize i = 0; i < b->total; i++)
    g_ptr_array_add (all, g_steal_pointer (&b->slots[i].result));
  g_task_return_pointer (task, all, (GDestroyNotify) g_ptr_array_unref);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Batch *b = g_slice_new0 (Batch);
  GTask *task = g_task_new (NULL, NULL, callback, user_data);

  b->total = n_calls;
  b->calls = tool_calls_copy (calls, n_calls);
  b->slots = g_new0 (Slot, n_calls);
  b->limits = *limits;
  b->cancellable = cancellable ? g_object_ref (cancellable) : NULL;
  g_task_set_task_data (task, b, batch_destroy);
  batch_push (task);
  g_object_unref (task);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/**** the program ****/

static void
keep_results (GObject *source, GAsyncResult *res, gpointer where)
{
  (void) source;
  *(GPtrArray **) where = call_tools_finish (res, NULL);
}

int
main (void)
{
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  Reply *reply = reply_read ("data/reply.json");
  gint64 t0 = g_get_monotonic_time ();
  GPtrArray *results = NULL;

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, keep_results, &results);
  while (results == NULL)
    g_main_context_iteration (NULL, TRUE);

  print_messages (reply, results, (g_get_monotonic_time () - t0) / 1000);
  g_ptr_array_unref (results);
  reply_free (reply);
  return 0;
}

