// mistake: output-differs
// The same tool with the same arguments gives the same answer: why run it again?
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
  gsize n;
  gsize next;
  gsize running;
  gsize *same_as; /* index of the first call that asks the same */
  CallLimits limits;
  GPtrArray *results;
} Turn;

typedef struct {
  GTask *task;
  gsize i;
  gint64 t0;
} Flight;

static void
turn_free (gpointer p)
{
  Turn *t = p;

  tool_calls_free (t->calls, t->n);
  g_free (t->same_as);
  g_ptr_array_unref (t->results);
  g_free (t);
}

static void
keep (Turn *t, gsize i, ToolResult *r)
{
  print_finish (&t->calls[i], r);
  t->results->pdata[i] = r;
}

static void take_off (GTask *task);

static void
landed (GObject *o, GAsyncResult *res, gpointer p)
{
  Flight *f = p;
  GTask *task = f->task;
  Turn *t = g_task_get_task_data (task);
  GError *error = NULL;
  char *text = run_tool_finish (res, &error);
  ToolResult *r = tool_result_new (text, error, (g_get_monotonic_time () - f->t0) / 1000);

  keep (t, f->i, r);
  for (gsize j = f->i + 1; j < t->n; j++)
    if (t->same_as[j] == f->i) {
      ToolResult *copy = g_new (ToolResult, 1);

      *copy = *r;
      copy->text = g_strdup (r->text);
      keep (t, j, copy);
    }
  t->running--;
  g_free (f);
  take_off (task);
  g_object_unref (task);
}

static void
take_off (GTask *task)
{
  Turn *t = g_task_get_task_data (task);

  for (; t->next < t->n; t->next++) {
    Flight *f;

    if (t->same_as[t->next] != t->next)
      continue;
    if (t->limits.max_parallel != 0 && t->running == t->limits.max_parallel)
      return;
    f = g_new (Flight, 1);
    *f = (Flight){ g_object_ref (task), t->next, g_get_monotonic_time () };
    t->running++;
    run_tool_async (&t->calls[f->i], t->limits.timeout_ms, g_task_get_cancellable (task),
                    landed, f);
  }
  if (t->running == 0)
    g_task_return_pointer (task, g_ptr_array_ref (t->results),
                           (GDestroyNotify) g_ptr_array_unref);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Turn *t = g_new0 (Turn, 1);

  t->calls = tool_calls_copy (calls, n_calls);
  t->n = n_calls;
  t->limits = *limits;
  t->same_as = g_new (gsize, n_calls);
  for (gsize i = 0; i < n_calls; i++) {
    t->same_as[i] = i;
    for (gsize j = 0; j < i; j++)
      if (g_str_equal (calls[i].name, calls[j].name) &&
          g_str_equal (calls[i].arguments, calls[j].arguments)) {
        t->same_as[i] = j;
        break;
      }
  }
  t->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (t->results, n_calls);
  g_task_set_task_data (task, t, turn_free);
  g_task_set_check_cancellable (task, FALSE);
  take_off (task);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
store_result (GObject *source, GAsyncResult *result, gpointer where)
{
  *(GAsyncResult **) where = g_object_ref (result);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GPtrArray) results = NULL;
  gint64 begin = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, store_result, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  results = call_tools_finish (result, NULL);
  print_messages (reply, results, (g_get_monotonic_time () - begin) / 1000);
  return 0;
}
