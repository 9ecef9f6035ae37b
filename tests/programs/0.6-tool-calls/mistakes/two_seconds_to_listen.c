// mistake: process-left
// First a polite signal, and two seconds later one that cannot be ignored.
#include "agent.h"

#include <signal.h>

/* How long a tool that was told to end may tidy up. */
#define GRACE_MS 2000

typedef enum {
  IDLE,     /* waits for its turn */
  BORN,     /* it could not start, and says so from the loop */
  TALKING,  /* communicate is under way */
  DYING,    /* told to end, not reaped */
  OVER
} State;

typedef struct Call Call;
typedef void (*CallDone) (Call *call, char *output, GError *error, gpointer data);

struct Call {
  ToolCall *what; /* an array of one */
  guint limit_ms;
  CallDone done;
  gpointer data;

  State state;
  gint64 started_us, took_us;
  GSubprocess *process;
  GCancellable *hangup;
  GCancellable *caller;
  gulong on_caller;
  guint on_time;
  char *output;
  GError *error;   /* what was wrong */
  GError *stopped; /* who has ended it before; goes first */
};

static Call *
call_new (const ToolCall *what, guint limit_ms, GCancellable *caller, CallDone done,
          gpointer data)
{
  Call *call = g_rc_box_new0 (Call);

  call->what = tool_calls_copy (what, 1);
  call->limit_ms = limit_ms;
  call->done = done;
  call->data = data;
  if (caller != NULL)
    call->caller = g_object_ref (caller);
  return call;
}

static void
call_clear (gpointer p)
{
  Call *call = p;

  tool_calls_free (call->what, 1);
  g_clear_object (&call->process);
  g_clear_object (&call->hangup);
  g_clear_object (&call->caller);
  g_clear_error (&call->error);
  g_clear_error (&call->stopped);
  g_free (call->output);
}

static void
call_unref (gpointer call)
{
  g_rc_box_release_full (call, call_clear);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Call, call_unref)

static void
call_stop (Call *call, GIOErrorEnum code)
{
  if (call->stopped != NULL || call->state != TALKING)
    return;
  call->stopped = g_error_new_literal (G_IO_ERROR, code, "it was stopped");
  g_cancellable_cancel (call->hangup);
}

static void
call_is_late (gpointer p)
{
  Call *call = p;

  call->on_time = 0;
  call_stop (call, G_IO_ERROR_TIMED_OUT);
}

static void
call_is_unwanted (GCancellable *caller, gpointer call)
{
  (void) caller;
  call_stop (call, G_IO_ERROR_CANCELLED);
}

static void
call_over (Call *call)
{
  GError *error = NULL;
  char *output = NULL;

  g_assert (call->state != OVER);
  g_clear_handle_id (&call->on_time, g_source_remove);
  if (call->on_caller != 0) {
    g_cancellable_disconnect (call->caller, call->on_caller);
    call->on_caller = 0;
  }
  call->state = OVER;
  if (call->process != NULL)
    call->took_us = g_get_monotonic_time () - call->started_us;

  if (call->stopped != NULL)
    error = g_steal_pointer (&call->stopped);
  else if (call->error != NULL)
    error = g_steal_pointer (&call->error);
  else
    output = g_steal_pointer (&call->output);
  call->done (call, output, error, call->data);
}

static gboolean
call_not_started (gpointer p)
{
  call_over (p);
  return G_SOURCE_REMOVE;
}

static void
call_wont_die (gpointer p)
{
  Call *call = p;

  call->on_time = 0;
  g_subprocess_force_exit (call->process);
}

static void
call_died (GObject *process, GAsyncResult *result, gpointer p)
{
  g_autoptr (Call) call = p;

  g_subprocess_wait_finish (G_SUBPROCESS (process), result, NULL);
  call_over (call);
}

static void
call_talked (GObject *process, GAsyncResult *result, gpointer p)
{
  g_autoptr (Call) call = p;
  g_autofree char *all = NULL;

  if (g_subprocess_communicate_utf8_finish (G_SUBPROCESS (process), result, &all, NULL,
                                            &call->error)) {
    call->output = read_answer (call->process, all, &call->error);
    call_over (call);
    return;
  }
  call->state = DYING;
  g_clear_handle_id (&call->on_time, g_source_remove);
  g_subprocess_send_signal (call->process, SIGTERM);
  call->on_time = g_timeout_add_once (GRACE_MS, call_wont_die, call);
  g_subprocess_wait_async (call->process, NULL, call_died, g_rc_box_acquire (call));
}

/* Takes nothing, and calls nobody: done is told from the loop. */
static void
call_start (Call *call)
{
  g_assert (call->state == IDLE);
  call->started_us = g_get_monotonic_time ();

  if (!g_cancellable_set_error_if_cancelled (call->caller, &call->error)) {
    g_autofree char *program = NULL;

    print_start (call->what);
    program = find_tool (call->what, &call->error);
    if (program != NULL) {
      g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (
          G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE);

      call->process = g_subprocess_launcher_spawn (launcher, &call->error, program, NULL);
    }
  }

  if (call->process == NULL) {
    call->state = BORN;
    g_idle_add_full (G_PRIORITY_DEFAULT, call_not_started, g_rc_box_acquire (call),
                     call_unref);
    return;
  }

  call->state = TALKING;
  call->hangup = g_cancellable_new ();
  g_subprocess_communicate_utf8_async (call->process, call->what->arguments,
                                       call->hangup, call_talked,
                                       g_rc_box_acquire (call));
  if (call->limit_ms > 0)
    call->on_time = g_timeout_add_once (call->limit_ms, call_is_late, call);
  if (call->caller != NULL)
    call->on_caller = g_cancellable_connect (call->caller, G_CALLBACK (call_is_unwanted),
                                             call, NULL);
}

/* ---- one ---- */

static void
one_done (Call *call, char *output, GError *error, gpointer data)
{
  g_autoptr (GTask) task = data;

  (void) call;
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, output, g_free);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);
  g_autoptr (Call) one = call_new (call, timeout_ms, cancellable, one_done, task);

  call_start (one);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- many ---- */

typedef struct {
  GTask *task;
  GPtrArray *calls;   /* Call */
  GPtrArray *results; /* ToolResult, at the index of its call */
  guint turn;         /* whose turn it is */
  guint missing;      /* results */
  guint room;
} Many;

static void
many_go_on (Many *many)
{
  while (many->room > 0 && many->turn < many->calls->len) {
    many->room--;
    call_start (g_ptr_array_index (many->calls, many->turn++));
  }
  if (many->missing > 0)
    return;

  g_ptr_array_unref (many->calls);
  g_task_return_pointer (many->task, many->results, (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (many->task);
  g_free (many);
}

static void
many_one_done (Call *call, char *output, GError *error, gpointer data)
{
  Many *many = data;
  ToolResult *result = tool_result_new (output, error, (guint) (call->took_us / 1000));
  guint place;

  if (!g_ptr_array_find (many->calls, call, &place))
    g_assert_not_reached ();
  print_finish (call->what, result);
  g_ptr_array_index (many->results, place) = result;
  many->missing--;
  many->room++;
  many_go_on (many);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Many *many = g_new0 (Many, 1);

  many->task = g_task_new (NULL, NULL, callback, user_data);
  many->calls = g_ptr_array_new_with_free_func (call_unref);
  many->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (many->results, (gint) n_calls);
  many->missing = (guint) n_calls;
  many->room = limits->max_parallel > 0 ? limits->max_parallel : many->missing;
  for (const ToolCall *c = calls; c < calls + n_calls; c++)
    g_ptr_array_add (many->calls, call_new (c, limits->timeout_ms, cancellable,
                                            many_one_done, many));
  many_go_on (many);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- the agent ---- */

static void
on_results (GObject *source, GAsyncResult *result, gpointer data)
{
  gpointer *loop_and_results = data;

  (void) source;
  loop_and_results[1] = call_tools_finish (result, NULL);
  g_main_loop_quit (loop_and_results[0]);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GPtrArray) results = NULL;
  gpointer loop_and_results[] = { loop, NULL };
  gint64 start = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, on_results,
                    loop_and_results);
  g_main_loop_run (loop);
  results = loop_and_results[1];
  print_messages (reply, results, (g_get_monotonic_time () - start) / 1000);
  return 0;
}
