// mistake: uses-threads
/* tool_calls.c */
#include "agent.h"
#include <string.h>

typedef struct {
  ToolCall *call;
  guint timeout_ms;
} Args;

static void
args_free (gpointer p)
{
  Args *a = p;
  tool_calls_free (a->call, 1);
  g_free (a);
}

static gboolean
stop_it (gpointer p)
{
  g_cancellable_cancel (p);
  return G_SOURCE_REMOVE;
}

typedef struct { GCancellable *stop; gint64 end; gboolean late; gboolean done; } Guard;

static gpointer
guard_main (gpointer p)
{
  Guard *g = p;
  while (!g->done) {
    g_usleep (5000);
    if (g->end > 0 && g_get_monotonic_time () > g->end) {
      g->late = TRUE;
      stop_it (g->stop);
      break;
    }
  }
  return NULL;
}

static void
forward (GCancellable *from, gpointer to)
{
  g_cancellable_cancel (to);
}

static void
tool_thread (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  Args *a = data;
  GError *error = NULL;
  g_autofree char *program = find_tool (a->call, &error);
  g_autoptr (GSubprocess) process = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GCancellable) stop = g_cancellable_new ();
  Guard guard = { stop, 0, FALSE, FALSE };
  GThread *thread;
  gulong id = 0;
  char *answer = NULL;
  gboolean ok;

  if (program)
    process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, program, NULL);
  if (!process) {
    g_task_return_error (task, error);
    return;
  }
  if (a->timeout_ms > 0)
    guard.end = g_get_monotonic_time () + a->timeout_ms * 1000;
  if (cancellable)
    id = g_cancellable_connect (cancellable, G_CALLBACK (forward), stop, NULL);
  thread = g_thread_new ("guard", guard_main, &guard);
  ok = g_subprocess_communicate_utf8 (process, a->call->arguments, stop, &text, NULL, &error);
  guard.done = TRUE;
  g_thread_join (thread);
  g_cancellable_disconnect (cancellable, id);
  if (!ok) {
    g_subprocess_force_exit (process);
    g_subprocess_wait (process, NULL, NULL);
    if (guard.late) {
      g_clear_error (&error);
      error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "late");
    }
  } else {
    answer = read_answer (process, text, &error);
  }
  if (answer)
    g_task_return_pointer (task, answer, g_free);
  else
    g_task_return_error (task, error);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Args *a = g_new0 (Args, 1);

  a->call = tool_calls_copy (call, 1);
  a->timeout_ms = timeout_ms;
  g_task_set_task_data (task, a, args_free);
  if (g_task_return_error_if_cancelled (task))
    return;
  print_start (call);
  g_task_run_in_thread (task, tool_thread);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  ToolCall *calls;
  gsize count;
  gsize next;
  guint busy;
  CallLimits limits;
  GPtrArray *results;
} Crew;

typedef struct {
  GTask *task;
  gsize index;
  gint64 begun;
} Ticket;

static void
crew_free (gpointer p)
{
  Crew *crew = p;

  tool_calls_free (crew->calls, crew->count);
  g_ptr_array_unref (crew->results);
  g_free (crew);
}

static void crew_dispatch (GTask *task);

static void
crew_one_done (GObject *source, GAsyncResult *res, gpointer p)
{
  Ticket *ticket = p;
  GTask *task = ticket->task;
  Crew *crew = g_task_get_task_data (task);
  GError *error = NULL;
  char *text = run_tool_finish (res, &error);
  ToolResult *r = tool_result_new (text, error, (g_get_monotonic_time () - ticket->begun) / 1000);

  print_finish (&crew->calls[ticket->index], r);
  crew->results->pdata[ticket->index] = r;
  crew->busy--;
  g_free (ticket);
  crew_dispatch (task);
  g_object_unref (task);
}

static void
crew_dispatch (GTask *task)
{
  Crew *crew = g_task_get_task_data (task);

  while (crew->next < crew->count &&
         (crew->limits.max_parallel == 0 || crew->busy < crew->limits.max_parallel)) {
    Ticket *ticket = g_new0 (Ticket, 1);

    ticket->task = g_object_ref (task);
    ticket->index = crew->next++;
    ticket->begun = g_get_monotonic_time ();
    crew->busy++;
    run_tool_async (&crew->calls[ticket->index], crew->limits.timeout_ms,
                    g_task_get_cancellable (task), crew_one_done, ticket);
  }
  if (crew->busy == 0)
    g_task_return_pointer (task, g_ptr_array_ref (crew->results), (GDestroyNotify) g_ptr_array_unref);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Crew *crew = g_new0 (Crew, 1);

  g_task_set_check_cancellable (task, FALSE);
  crew->calls = tool_calls_copy (calls, n_calls);
  crew->count = n_calls;
  crew->limits = *limits;
  crew->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (crew->results, n_calls);
  g_task_set_task_data (task, crew, crew_free);
  crew_dispatch (task);
  g_object_unref (task);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

struct turn {
  GMainLoop *loop;
  GPtrArray *answers;
};

static void
turn_over (GObject *source, GAsyncResult *result, gpointer data)
{
  struct turn *turn = data;

  turn->answers = call_tools_finish (result, NULL);
  g_main_loop_quit (turn->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  struct turn turn = { g_main_loop_new (NULL, FALSE), NULL };
  gint64 t0 = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, turn_over, &turn);
  g_main_loop_run (turn.loop);
  print_messages (reply, turn.answers, (g_get_monotonic_time () - t0) / 1000);
  g_ptr_array_unref (turn.answers);
  g_main_loop_unref (turn.loop);
  return 0;
}
