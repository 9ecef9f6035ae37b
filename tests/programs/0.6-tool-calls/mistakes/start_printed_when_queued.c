// mistake: output-differs
// Every call is accepted at once, so every call is reported at once.
#include "agent.h"

#include <string.h>

/* one tool */

typedef enum { STILL_GOOD, TIME_OVER, USER_STOP } Reason;

typedef struct {
  GSubprocess *child;
  GCancellable *user;
  gulong handler;
  guint alarm;
  Reason reason;
  GError *broken;
} Job;

static void
job_unwatch (Job *job)
{
  g_clear_handle_id (&job->alarm, g_source_remove);
  if (job->user != NULL)
    g_cancellable_disconnect (job->user, job->handler);
  g_clear_object (&job->user);
}

static void
job_free (gpointer data)
{
  Job *job = data;

  job_unwatch (job);
  g_clear_object (&job->child);
  g_clear_error (&job->broken);
  g_free (job);
}

static void
job_kill (Job *job, Reason reason)
{
  if (job->reason == STILL_GOOD)
    job->reason = reason;
  g_subprocess_force_exit (job->child);
}

static gboolean
on_alarm (gpointer data)
{
  Job *job = data;

  job->alarm = 0;
  job_kill (job, TIME_OVER);
  return FALSE;
}

static void
on_user (GCancellable *c, Job *job)
{
  job_kill (job, USER_STOP);
}

static void
job_report (GTask *task, const char *text)
{
  Job *job = g_task_get_task_data (task);
  GError *error = NULL;
  char *answer = NULL;

  switch (job->reason) {
  case TIME_OVER:
    error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "timed out");
    break;
  case USER_STOP:
    error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
    break;
  default:
    if (job->broken != NULL)
      error = g_steal_pointer (&job->broken);
    else
      answer = read_answer (job->child, text, &error);
  }
  job_unwatch (job);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, answer, g_free);
  g_object_unref (task);
}

static void
on_dead (GObject *child, GAsyncResult *res, gpointer data)
{
  g_subprocess_wait_finish (G_SUBPROCESS (child), res, NULL);
  job_report (data, NULL);
}

static void
on_said (GObject *child, GAsyncResult *res, gpointer data)
{
  GTask *task = data;
  Job *job = g_task_get_task_data (task);
  g_autofree char *text = NULL;

  if (g_subprocess_communicate_utf8_finish (job->child, res, &text, NULL, &job->broken)) {
    job_report (task, text);
  } else {
    g_subprocess_force_exit (job->child);
    g_subprocess_wait_async (job->child, NULL, on_dead, task);
  }
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  Job *job = g_new0 (Job, 1);
  GError *error = NULL;
  g_autofree char *exe = NULL;

  g_task_set_task_data (task, job, job_free);
  if (g_cancellable_set_error_if_cancelled (cancellable, &error))
    goto bad;
  exe = find_tool (call, &error);
  if (!exe)
    goto bad;
  job->child = g_subprocess_new (
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, exe, NULL);
  if (!job->child)
    goto bad;
  if (timeout_ms)
    job->alarm = g_timeout_add (timeout_ms, on_alarm, job);
  if (cancellable) {
    job->user = g_object_ref (cancellable);
    job->handler = g_cancellable_connect (cancellable, G_CALLBACK (on_user), job, NULL);
  }
  g_subprocess_communicate_utf8_async (job->child, call->arguments, NULL, on_said, task);
  return;

bad:
  g_task_return_error (task, error);
  g_object_unref (task);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* all of them */

typedef void (*Granted) (gpointer data);

typedef struct {
  guint free_permits;
  gboolean endless;
  GQueue *waiters;
} Semaphore;

typedef struct {
  Granted granted;
  gpointer data;
} Waiter;

static Semaphore *
semaphore_new (guint permits)
{
  Semaphore *sem = g_new0 (Semaphore, 1);

  sem->free_permits = permits;
  sem->endless = permits == 0;
  sem->waiters = g_queue_new ();
  return sem;
}

static void
semaphore_free (Semaphore *sem)
{
  g_queue_free_full (sem->waiters, g_free);
  g_free (sem);
}

static void
semaphore_acquire (Semaphore *sem, Granted granted, gpointer data)
{
  if (sem->endless) {
    granted (data);
  } else if (sem->free_permits > 0) {
    sem->free_permits--;
    granted (data);
  } else {
    Waiter *w = g_new (Waiter, 1);

    w->granted = granted;
    w->data = data;
    g_queue_push_tail (sem->waiters, w);
  }
}

static void
semaphore_release (Semaphore *sem)
{
  Waiter *w;

  if (sem->endless)
    return;
  w = g_queue_pop_head (sem->waiters);
  if (w == NULL) {
    sem->free_permits++;
    return;
  }
  w->granted (w->data);
  g_free (w);
}

typedef struct {
  Semaphore *sem;
  GTask *task;
  guint timeout_ms;
  guint left;
  GPtrArray *results;
} Gather;

typedef struct {
  Gather *gather;
  ToolCall *call;
  guint number;
  gint64 start;
} Coro;

static void
gather_one_less (Gather *g)
{
  if (--g->left > 0)
    return;
  g_task_return_pointer (g->task, g->results, (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (g->task);
  semaphore_free (g->sem);
  g_free (g);
}

static void
coro_resume (GObject *o, GAsyncResult *res, gpointer data)
{
  Coro *co = data;
  Gather *g = co->gather;
  GError *error = NULL;
  char *s = run_tool_finish (res, &error);
  ToolResult *r =
      tool_result_new (s, error, (g_get_monotonic_time () - co->start) / 1000);

  print_finish (co->call, r);
  g->results->pdata[co->number] = r;
  tool_calls_free (co->call, 1);
  g_free (co);
  semaphore_release (g->sem);
  gather_one_less (g);
}

static void
coro_body (gpointer data)
{
  Coro *co = data;

  co->start = g_get_monotonic_time ();
  run_tool_async (co->call, co->gather->timeout_ms,
                  g_task_get_cancellable (co->gather->task), coro_resume, co);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Gather *g = g_new0 (Gather, 1);

  g->sem = semaphore_new (limits->max_parallel);
  g->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_check_cancellable (g->task, FALSE);
  g->timeout_ms = limits->timeout_ms;
  g->left = n_calls + 1;
  g->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (g->results, n_calls);
  for (gsize i = 0; i < n_calls; i++) {
    Coro *co = g_new0 (Coro, 1);

    co->gather = g;
    co->number = i;
    co->call = tool_calls_copy (calls + i, 1);
    print_start (co->call);
    semaphore_acquire (g->sem, coro_body, co);
  }
  gather_one_less (g);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* main */

typedef struct {
  GMainLoop *loop;
  GPtrArray *results;
} Turn;

static void
turn_over (GObject *source, GAsyncResult *res, gpointer p)
{
  Turn *turn = p;

  turn->results = call_tools_finish (res, NULL);
  g_main_loop_quit (turn->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  Turn turn = { loop, NULL };
  gint64 t0 = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, turn_over, &turn);
  g_main_loop_run (loop);
  print_messages (reply, turn.results, (g_get_monotonic_time () - t0) / 1000);
  g_ptr_array_unref (turn.results);
  g_main_loop_unref (loop);
  return 0;
}
