// mistake: failure-not-seen
// Not every tool speaks JSON; then the text itself is the answer.
#include "agent.h"

/* ---- one tool ---- */

typedef struct {
  GTask *task;
  GSubprocess *proc;
  GCancellable *give_up;
  GSource *sources[2]; /* deadline, caller */
  GError *why;         /* set by the first of them */
} Attempt;

static void
attempt_finish (Attempt *a, char *answer, GError *error)
{
  for (guint i = 0; i < G_N_ELEMENTS (a->sources); i++)
    if (a->sources[i] != NULL) {
      g_source_destroy (a->sources[i]);
      g_clear_pointer (&a->sources[i], g_source_unref);
    }
  if (error != NULL)
    g_task_return_error (a->task, error);
  else
    g_task_return_pointer (a->task, answer, g_free);
  g_clear_object (&a->proc);
  g_clear_object (&a->give_up);
  g_clear_error (&a->why);
  g_clear_object (&a->task);
  g_slice_free (Attempt, a);
}

static gboolean
time_is_up (gpointer user_data)
{
  Attempt *a = user_data;

  if (a->why == NULL)
    g_set_error_literal (&a->why, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in time");
  g_cancellable_cancel (a->give_up);
  return G_SOURCE_REMOVE;
}

static gboolean
caller_cancelled (GCancellable *c, gpointer user_data)
{
  Attempt *a = user_data;

  if (a->why == NULL)
    g_cancellable_set_error_if_cancelled (c, &a->why);
  g_cancellable_cancel (a->give_up);
  return G_SOURCE_REMOVE;
}

static void
on_dead (GObject *o, GAsyncResult *r, gpointer user_data)
{
  Attempt *a = user_data;

  g_subprocess_wait_finish (a->proc, r, NULL);
  attempt_finish (a, NULL, g_steal_pointer (&a->why));
}

static void
on_talked (GObject *o, GAsyncResult *r, gpointer user_data)
{
  Attempt *a = user_data;
  g_autofree char *text = NULL;
  g_autoptr (GError) local = NULL;

  if (g_subprocess_communicate_utf8_finish (a->proc, r, &text, NULL, &local)) {
    GError *error = NULL;
    char *answer = read_answer (a->proc, text, &error);

    /* Some tools answer in plain text: the model can read that as well. */
    if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA)) {
      g_clear_error (&error);
      answer = g_strstrip (g_strdup (text));
    }
    attempt_finish (a, answer, error);
    return;
  }
  if (a->why == NULL)
    a->why = g_steal_pointer (&local);
  g_subprocess_force_exit (a->proc);
  g_subprocess_wait_async (a->proc, NULL, on_dead, a);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  Attempt *a = g_slice_new0 (Attempt);
  GError *error = NULL;
  g_autofree char *prog = NULL;

  a->task = g_task_new (NULL, NULL, callback, user_data);
  if (g_cancellable_set_error_if_cancelled (cancellable, &error)) {
    attempt_finish (a, NULL, error);
    return;
  }
  print_start (call);
  prog = find_tool (call, &error);
  if (prog)
    a->proc =
        g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDIN_PIPE,
                          &error, prog, NULL);
  if (error) {
    attempt_finish (a, NULL, error);
    return;
  }
  a->give_up = g_cancellable_new ();
  if (timeout_ms != 0) {
    a->sources[0] = g_timeout_source_new (timeout_ms);
    g_source_set_callback (a->sources[0], time_is_up, a, NULL);
    g_source_attach (a->sources[0], NULL);
  }
  if (cancellable != NULL) {
    a->sources[1] = g_cancellable_source_new (cancellable);
    g_source_set_callback (a->sources[1], G_SOURCE_FUNC (caller_cancelled), a, NULL);
    g_source_attach (a->sources[1], NULL);
  }
  g_subprocess_communicate_utf8_async (a->proc, call->arguments, a->give_up, on_talked,
                                       a);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- semaphore ---- */

typedef void (*Granted) (gpointer data);

typedef struct {
  gint64 value;
  GList *waiters; /* Waiter */
} Semaphore;

typedef struct {
  Granted granted;
  gpointer data;
} Waiter;

static void
semaphore_acquire (Semaphore *s, Granted granted, gpointer data)
{
  if (s->value > 0) {
    s->value--;
    granted (data);
  } else {
    Waiter *w = g_new (Waiter, 1);
    *w = (Waiter){ granted, data };
    s->waiters = g_list_append (s->waiters, w);
  }
}

static void
semaphore_release (Semaphore *s)
{
  if (s->waiters != NULL) {
    g_autofree Waiter *w = s->waiters->data;

    s->waiters = g_list_delete_link (s->waiters, s->waiters);
    w->granted (w->data); /* the place goes straight on */
  } else
    s->value++;
}

/* ---- gather ---- */

typedef struct {
  Semaphore sem;
  ToolCall *calls;
  gsize n_calls, n_open;
  guint timeout_ms;
  GCancellable *cancellable;
  GPtrArray *results;
} Gather;

typedef struct {
  GTask *task;
  gsize place;
  gint64 since;
} Coroutine;

static void
gather_free (gpointer p)
{
  Gather *g = p;

  tool_calls_free (g->calls, g->n_calls);
  g_clear_object (&g->cancellable);
  g_clear_pointer (&g->results, g_ptr_array_unref);
  g_free (g);
}

static void
coroutine_end (GObject *o, GAsyncResult *r, gpointer user_data)
{
  Coroutine *co = user_data;
  Gather *g = g_task_get_task_data (co->task);
  GError *error = NULL;
  char *text = run_tool_finish (r, &error);

  g->results->pdata[co->place] =
      tool_result_new (text, error, (g_get_monotonic_time () - co->since) / 1000);
  print_finish (&g->calls[co->place], g->results->pdata[co->place]);
  semaphore_release (&g->sem);
  if (--g->n_open == 0)
    g_task_return_pointer (co->task, g_steal_pointer (&g->results),
                           (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (co->task);
  g_free (co);
}

static void
coroutine_begin (gpointer data)
{
  Coroutine *co = data;
  Gather *g = g_task_get_task_data (co->task);

  co->since = g_get_monotonic_time ();
  run_tool_async (&g->calls[co->place], g->timeout_ms, g->cancellable, coroutine_end, co);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  Gather *g = g_new0 (Gather, 1);

  g->sem.value = limits->max_parallel ? (gint64) limits->max_parallel : G_MAXINT64;
  g->calls = tool_calls_copy (calls, n_calls);
  g->n_calls = g->n_open = n_calls;
  g->timeout_ms = limits->timeout_ms;
  g_set_object (&g->cancellable, cancellable);
  g->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (g->results, n_calls);
  g_task_set_task_data (task, g, gather_free);

  if (n_calls == 0) {
    g_task_return_pointer (task, g_steal_pointer (&g->results),
                           (GDestroyNotify) g_ptr_array_unref);
    return;
  }
  for (gsize i = 0; i < n_calls; i++) {
    Coroutine *co = g_new0 (Coroutine, 1);

    co->task = g_object_ref (task);
    co->place = i;
    semaphore_acquire (&g->sem, coroutine_begin, co);
  }
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- the program ---- */

typedef struct {
  GMainLoop *loop;
  const Reply *reply;
  gint64 t0;
} App;

static void
answered (GObject *o, GAsyncResult *r, gpointer user_data)
{
  App *app = user_data;
  g_autoptr (GPtrArray) results = call_tools_finish (r, NULL);

  print_messages (app->reply, results, (g_get_monotonic_time () - app->t0) / 1000);
  g_main_loop_quit (app->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  App app = { loop, reply, g_get_monotonic_time () };

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, answered, &app);
  g_main_loop_run (loop);
  return 0;
}
