// mistake: shared-state
// The model gives each call an id, so one table of results is enough for all.
#include "agent.h"
#include <string.h>

#define CHUNK 16384

enum { BY_ITSELF, BY_DEADLINE, BY_CALLER };

typedef struct {
  GSubprocess *proc;
  GCancellable *give_up; /* ends reading and writing */
  GCancellable *outer;
  gulong outer_id;
  guint timer;
  char *input;
  GByteArray *out;
  guint8 buffer[CHUNK];
  int parts; /* of: writing, reading, exit */
  int ended_by;
} Conversation;

static void
conversation_free (gpointer p)
{
  Conversation *c = p;
  if (c->timer)
    g_source_remove (c->timer);
  if (c->outer) {
    g_cancellable_disconnect (c->outer, c->outer_id);
    g_object_unref (c->outer);
  }
  g_clear_object (&c->proc);
  g_object_unref (c->give_up);
  g_byte_array_unref (c->out);
  g_free (c->input);
  g_free (c);
}

static void
part_over (GTask *task)
{
  Conversation *c = g_task_get_task_data (task);
  if (--c->parts == 0) {
    if (c->timer) {
      g_source_remove (c->timer);
      c->timer = 0;
    }
    if (c->ended_by == BY_DEADLINE) {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                               "no answer in time");
    } else if (c->ended_by == BY_CALLER) {
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
    } else {
      GError *error = NULL;
      g_byte_array_append (c->out, (const guint8 *) "", 1);
      char *answer = read_answer (c->proc, (const char *) c->out->data, &error);
      if (answer)
        g_task_return_pointer (task, answer, g_free);
      else
        g_task_return_error (task, error);
    }
  }
  g_object_unref (task);
}

static void
has_written (GObject *stream, GAsyncResult *r, gpointer task)
{
  g_output_stream_write_all_finish (G_OUTPUT_STREAM (stream), r, NULL, NULL);
  g_output_stream_close (G_OUTPUT_STREAM (stream), NULL,
                         NULL); /* a pipe: does not wait */
  part_over (task);
}

static void
has_read (GObject *stream, GAsyncResult *r, gpointer p)
{
  GTask *task = p;
  Conversation *c = g_task_get_task_data (task);
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (stream), r, NULL);
  if (n <= 0) {
    part_over (task);
    return;
  }
  g_byte_array_append (c->out, c->buffer, n);
  g_input_stream_read_async (G_INPUT_STREAM (stream), c->buffer, CHUNK,
                             G_PRIORITY_DEFAULT, c->give_up, has_read, task);
}

static void
has_exited (GObject *proc, GAsyncResult *r, gpointer p)
{
  GTask *task = p;
  g_subprocess_wait_finish (G_SUBPROCESS (proc), r, NULL);
  part_over (task);
}

static gboolean
time_is_up (gpointer p)
{
  Conversation *c = p;
  c->timer = 0;
  if (c->ended_by == BY_ITSELF)
    c->ended_by = BY_DEADLINE;
  g_subprocess_force_exit (c->proc);
  g_cancellable_cancel (c->give_up);
  return FALSE;
}

static void
called_off (GCancellable *outer, gpointer p)
{
  Conversation *c = p;
  if (c->ended_by == BY_ITSELF)
    c->ended_by = BY_CALLER;
  g_subprocess_force_exit (c->proc);
  g_cancellable_cancel (c->give_up);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;

  if (g_cancellable_is_cancelled (cancellable)) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
    return;
  }
  print_start (call);
  g_autofree char *program = find_tool (call, &error);
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  GSubprocess *proc = NULL;
  if (program)
    proc = g_subprocess_launcher_spawn (launcher, &error, program, NULL);
  if (!proc) {
    g_task_return_error (task, g_steal_pointer (&error));
    return;
  }

  Conversation *c = g_new0 (Conversation, 1);
  c->proc = proc;
  c->give_up = g_cancellable_new ();
  c->out = g_byte_array_new ();
  c->input = g_strdup (call->arguments ? call->arguments : "");
  c->parts = 3;
  g_task_set_task_data (task, c, conversation_free);
  if (timeout_ms != 0)
    c->timer = g_timeout_add (timeout_ms, time_is_up, c);
  if (cancellable) {
    c->outer = g_object_ref (cancellable);
    c->outer_id = g_cancellable_connect (cancellable, G_CALLBACK (called_off), c, NULL);
  }
  g_output_stream_write_all_async (g_subprocess_get_stdin_pipe (proc), c->input,
                                   strlen (c->input), G_PRIORITY_DEFAULT, c->give_up,
                                   has_written, g_object_ref (task));
  g_input_stream_read_async (g_subprocess_get_stdout_pipe (proc), c->buffer, CHUNK,
                             G_PRIORITY_DEFAULT, c->give_up, has_read,
                             g_object_ref (task));
  g_subprocess_wait_async (proc, NULL, has_exited, g_object_ref (task));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- A batch ---- */

static GHashTable *outcomes = NULL; /* id -> ToolResult: ids are unique */

typedef struct {
  GTask *task;
  ToolCall *calls;
  gsize n, next;
  guint running;
  CallLimits limits;
} Batch;

typedef struct {
  Batch *batch;
  const ToolCall *call;
  gint64 t0;
} Ticket;

static void pump (Batch *batch);

static void
ticket_over (GObject *o, GAsyncResult *r, gpointer p)
{
  g_autofree Ticket *ticket = p;
  GError *error = NULL;
  char *text = run_tool_finish (r, &error);
  ToolResult *res =
      tool_result_new (text, error, (g_get_monotonic_time () - ticket->t0) / 1000);

  print_finish (ticket->call, res);
  g_hash_table_insert (outcomes, g_strdup (ticket->call->id), res);
  ticket->batch->running--;
  pump (ticket->batch);
}

static void
pump (Batch *batch)
{
  while (batch->next < batch->n && (batch->limits.max_parallel == 0 ||
                                    batch->running < batch->limits.max_parallel)) {
    Ticket *ticket = g_new0 (Ticket, 1);
    ticket->batch = batch;
    ticket->call = &batch->calls[batch->next++];
    ticket->t0 = g_get_monotonic_time ();
    batch->running++;
    run_tool_async (ticket->call, batch->limits.timeout_ms,
                    g_task_get_cancellable (batch->task), ticket_over, ticket);
  }
  if (batch->running > 0)
    return;

  GPtrArray *array = g_ptr_array_new_with_free_func (tool_result_free);
  for (gsize i = 0; i < batch->n; i++) {
    g_autofree char *key = NULL;
    gpointer res = NULL;
    g_hash_table_steal_extended (outcomes, batch->calls[i].id, (gpointer *) &key, &res);
    g_ptr_array_add (array, res);
  }
  g_task_return_pointer (batch->task, array, (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (batch->task);
  tool_calls_free (batch->calls, batch->n);
  g_free (batch);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Batch *batch = g_new0 (Batch, 1);
  batch->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_check_cancellable (batch->task, FALSE);
  batch->calls = tool_calls_copy (calls, n_calls);
  batch->n = n_calls;
  batch->limits = *limits;
  if (outcomes == NULL)
    outcomes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, tool_result_free);
  pump (batch);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
done (GObject *o, GAsyncResult *r, gpointer p)
{
  gpointer *both = p;
  both[1] = call_tools_finish (r, NULL);
  g_main_loop_quit (both[0]);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  gpointer both[2] = { g_main_loop_new (NULL, FALSE), NULL };
  GTimer *watch = g_timer_new ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, done, both);
  g_main_loop_run (both[0]);
  print_messages (reply, both[1], (guint) (g_timer_elapsed (watch, NULL) * 1000));
  g_timer_destroy (watch);
  g_ptr_array_unref (both[1]);
  g_main_loop_unref (both[0]);
  return 0;
}
