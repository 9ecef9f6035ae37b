// mistake: hard-coded
// One bit of a guint64 for each open call.
/*
 * Module 0.6: Tool calls
 *
 * What is open is a set; a set of small numbers is a word of bits.
 */
#include "agent.h"

typedef guint64 CallSet;

#define JUST(i) (((CallSet) 1) << (i))

typedef struct {
  GTask *task;
  ToolCall *calls;
  gsize n_calls;
  CallSet waiting;
  CallSet running;
  guint n_running;
  guint max_running;
  guint timeout_ms;
  GPtrArray *results;
} Calls;

typedef struct {
  Calls *calls;
  guint i;
  gint64 t0;
} OneCall;

static void calls_go (Calls *c);

static void
calls_over (Calls *c)
{
  g_task_return_pointer (c->task, c->results, (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (c->task);
  tool_calls_free (c->calls, c->n_calls);
  g_free (c);
}

static void
one_call_over (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree OneCall *one = data;
  Calls *c = one->calls;
  GError *error = NULL;
  char *output = run_tool_finish (result, &error);
  ToolResult *r = tool_result_new (output, error, (g_get_monotonic_time () - one->t0) / 1000);

  (void) source;
  print_finish (&c->calls[one->i], r);
  g_ptr_array_index (c->results, one->i) = r;
  c->running &= ~JUST (one->i);
  c->n_running--;
  calls_go (c);
}

static void
calls_go (Calls *c)
{
  for (guint i = 0; c->waiting != 0 && i < c->n_calls; i++) {
    OneCall *one;

    if (c->max_running != 0 && c->n_running == c->max_running)
      break;
    if (!(c->waiting & JUST (i)))
      continue;
    c->waiting &= ~JUST (i);
    c->running |= JUST (i);
    c->n_running++;
    one = g_new (OneCall, 1);
    *one = (OneCall){ c, i, g_get_monotonic_time () };
    run_tool_async (&c->calls[i], c->timeout_ms, g_task_get_cancellable (c->task),
                    one_call_over, one);
  }
  if ((c->waiting | c->running) == 0)
    calls_over (c);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Calls *c = g_new0 (Calls, 1);

  c->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_check_cancellable (c->task, FALSE);
  c->calls = tool_calls_copy (calls, n_calls);
  c->n_calls = n_calls;
  c->max_running = limits->max_parallel;
  c->timeout_ms = limits->timeout_ms;
  c->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (c->results, n_calls);
  for (guint i = 0; i < n_calls; i++)
    c->waiting |= JUST (i);
  calls_go (c);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- one ---- */

typedef struct {
  GSubprocess *subprocess;
  GCancellable *cancellable;
  GSource *timer;
  gulong cancelled_id;
  gboolean by_timer;
  GError *error;
} OneTool;

static void
one_tool_free (gpointer data)
{
  OneTool *t = data;

  g_clear_object (&t->subprocess);
  g_clear_object (&t->cancellable);
  g_clear_error (&t->error);
  g_free (t);
}

static void
one_tool_calm (GTask *task)
{
  OneTool *t = g_task_get_task_data (task);

  if (t->timer != NULL) {
    g_source_destroy (t->timer);
    g_clear_pointer (&t->timer, g_source_unref);
  }
  g_cancellable_disconnect (g_task_get_cancellable (task), t->cancelled_id);
}

static gboolean
one_tool_timer (gpointer data)
{
  OneTool *t = data;

  t->by_timer = TRUE;
  g_cancellable_cancel (t->cancellable);
  return G_SOURCE_REMOVE;
}

static void
one_tool_cancelled (GCancellable *from, gpointer to)
{
  (void) from;
  g_cancellable_cancel (to);
}

static void
one_tool_exit (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  OneTool *t = g_task_get_task_data (task);

  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  if (t->by_timer)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "by timer");
  else
    g_task_return_error (task, g_steal_pointer (&t->error));
  g_object_unref (task);
}

static void
one_tool_output (GObject *source, GAsyncResult *result, gpointer data)
{
  GTask *task = data;
  OneTool *t = g_task_get_task_data (task);
  char *output = NULL;
  char *answer;

  one_tool_calm (task);
  if (!g_subprocess_communicate_utf8_finish (G_SUBPROCESS (source), result, &output, NULL,
                                             &t->error)) {
    g_subprocess_force_exit (t->subprocess);
    g_subprocess_wait_async (t->subprocess, NULL, one_tool_exit, task);
    return;
  }
  answer = read_answer (t->subprocess, output, &t->error);
  g_free (output);
  if (answer != NULL)
    g_task_return_pointer (task, answer, g_free);
  else
    g_task_return_error (task, g_steal_pointer (&t->error));
  g_object_unref (task);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  OneTool *t = g_new0 (OneTool, 1);
  g_autofree char *program = NULL;

  g_task_set_task_data (task, t, one_tool_free);
  if (g_task_return_error_if_cancelled (task))
    return;
  print_start (call);

  program = find_tool (call, &t->error);
  if (program != NULL)
    t->subprocess = g_subprocess_new (
        G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &t->error, program,
        NULL);
  if (t->subprocess == NULL) {
    g_task_return_error (task, g_steal_pointer (&t->error));
    return;
  }

  t->cancellable = g_cancellable_new ();
  if (cancellable != NULL)
    t->cancelled_id = g_cancellable_connect (
        cancellable, G_CALLBACK (one_tool_cancelled), t->cancellable, NULL);
  if (timeout_ms != 0) {
    t->timer = g_timeout_source_new (timeout_ms);
    g_source_set_callback (t->timer, one_tool_timer, t, NULL);
    g_source_attach (t->timer, g_main_context_default ());
  }
  g_subprocess_communicate_utf8_async (t->subprocess, call->arguments, t->cancellable,
                                       one_tool_output, g_object_ref (task));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- main ---- */

typedef struct {
  GMainLoop *loop;
  GPtrArray *results;
} Out;

static void
on_out (GObject *source, GAsyncResult *result, gpointer data)
{
  Out *out = data;

  (void) source;
  out->results = call_tools_finish (result, NULL);
  g_main_loop_quit (out->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Out out = { loop, NULL };
  gint64 t0 = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, on_out, &out);
  g_main_loop_run (loop);
  print_messages (reply, out.results, (g_get_monotonic_time () - t0) / 1000);
  g_ptr_array_unref (out.results);
  return 0;
}
