// mistake: wrong-status
// No answer is no answer in time, whoever stopped the waiting.
#include "agent.h"

typedef struct {
  GSubprocess *child;
  GCancellable *inner;
  GSource *alarm;
  GSource *watch;
  int why; /* GIOErrorEnum, or -1 */
} ToolRun;

static void
drop_source (GSource **source)
{
  if (*source == NULL)
    return;
  g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

static void
tool_run_free (gpointer p)
{
  ToolRun *run = p;
  drop_source (&run->alarm);
  drop_source (&run->watch);
  g_clear_object (&run->inner);
  g_clear_object (&run->child);
  g_free (run);
}

static gboolean
alarm_rings (gpointer p)
{
  ToolRun *run = p;
  if (run->why < 0)
    run->why = G_IO_ERROR_TIMED_OUT;
  g_cancellable_cancel (run->inner);
  return G_SOURCE_REMOVE;
}

static gboolean
caller_gives_up (GCancellable *c, gpointer p)
{
  ToolRun *run = p;
  if (run->why < 0)
    run->why = G_IO_ERROR_TIMED_OUT;
  g_cancellable_cancel (run->inner);
  return G_SOURCE_REMOVE;
}

static void
child_is_gone (GObject *o, GAsyncResult *r, gpointer p)
{
  GTask *task = p;
  g_subprocess_wait_finish (G_SUBPROCESS (o), r, NULL);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in time");
  g_object_unref (task);
}

static void
child_spoke (GObject *o, GAsyncResult *r, gpointer p)
{
  GTask *task = p;
  ToolRun *run = g_task_get_task_data (task);
  char *text = NULL;
  GError *error = NULL;

  drop_source (&run->alarm);
  drop_source (&run->watch);
  if (!g_subprocess_communicate_utf8_finish (G_SUBPROCESS (o), r, &text, NULL, NULL)) {
    g_subprocess_force_exit (run->child);
    g_subprocess_wait_async (run->child, NULL, child_is_gone, task);
    return;
  }
  char *answer = read_answer (run->child, text, &error);
  g_free (text);
  if (error)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, answer, g_free);
  g_object_unref (task);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  ToolRun *run = g_new0 (ToolRun, 1);
  GError *error = NULL;
  char *path = NULL;

  run->why = -1;
  g_task_set_task_data (task, run, tool_run_free);
  g_task_set_check_cancellable (task, FALSE); /* the error says it */
  if (g_task_return_error_if_cancelled (task))
    goto out;
  print_start (call);
  path = find_tool (call, &error);
  if (!path) {
    g_task_return_error (task, error);
    goto out;
  }
  const char *argv[] = { path, NULL };
  run->child = g_subprocess_newv (
      argv, G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
  if (!run->child) {
    g_task_return_error (task, error);
    goto out;
  }
  run->inner = g_cancellable_new ();
  if (timeout_ms) {
    run->alarm = g_timeout_source_new (timeout_ms);
    g_source_set_callback (run->alarm, alarm_rings, run, NULL);
    g_source_attach (run->alarm, NULL);
  }
  if (cancellable) {
    run->watch = g_cancellable_source_new (cancellable);
    g_source_set_callback (run->watch, G_SOURCE_FUNC (caller_gives_up), run, NULL);
    g_source_attach (run->watch, NULL);
  }
  g_subprocess_communicate_utf8_async (run->child, call->arguments, run->inner,
                                       child_spoke, g_object_ref (task));
out:
  g_free (path);
  g_object_unref (task);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct Crew Crew;

typedef struct {
  Crew *crew;
  ToolCall *call;
  gint64 began;
  ToolResult *result;
} Job;

struct Crew {
  GTask *task;
  ToolCall *copy;
  gsize n;
  Job *jobs;
  GQueue waiting;
  guint busy, places, timeout;
};

static void crew_look_for_work (Crew *crew);

static void
job_done (GObject *o, GAsyncResult *r, gpointer p)
{
  Job *job = p;
  GError *error = NULL;
  char *text = run_tool_finish (r, &error);
  job->result =
      tool_result_new (text, error, (g_get_monotonic_time () - job->began) / 1000);
  print_finish (job->call, job->result);
  job->crew->busy--;
  crew_look_for_work (job->crew);
}

static void
crew_look_for_work (Crew *crew)
{
  while (!g_queue_is_empty (&crew->waiting) &&
         (!crew->places || crew->busy < crew->places)) {
    Job *job = g_queue_pop_head (&crew->waiting);
    crew->busy++;
    job->began = g_get_monotonic_time ();
    run_tool_async (job->call, crew->timeout, g_task_get_cancellable (crew->task),
                    job_done, job);
  }
  if (crew->busy > 0)
    return;
  GPtrArray *all = g_ptr_array_new_with_free_func (tool_result_free);
  for (gsize i = 0; i < crew->n; i++)
    g_ptr_array_add (all, crew->jobs[i].result);
  GTask *task = crew->task;
  tool_calls_free (crew->copy, crew->n);
  g_free (crew->jobs);
  g_free (crew);
  g_task_return_pointer (task, all, (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (task);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Crew *crew = g_new0 (Crew, 1);
  crew->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_check_cancellable (crew->task, FALSE);
  crew->copy = tool_calls_copy (calls, n_calls);
  crew->n = n_calls;
  crew->jobs = g_new0 (Job, n_calls);
  crew->places = limits->max_parallel;
  crew->timeout = limits->timeout_ms;
  g_queue_init (&crew->waiting);
  for (gsize i = 0; i < n_calls; i++) {
    crew->jobs[i].crew = crew;
    crew->jobs[i].call = &crew->copy[i];
    g_queue_push_tail (&crew->waiting, &crew->jobs[i]);
  }
  crew_look_for_work (crew);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
keep (GObject *o, GAsyncResult *r, gpointer p)
{
  *(GPtrArray **) p = call_tools_finish (r, NULL);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  GPtrArray *results = NULL;
  gint64 t0 = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, keep, &results);
  while (results == NULL)
    g_main_context_iteration (NULL, TRUE);
  print_messages (reply, results, (g_get_monotonic_time () - t0) / 1000);
  g_ptr_array_unref (results);
  return 0;
}
