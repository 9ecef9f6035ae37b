// mistake: never-quits
/* tool_calls.c */
#include "agent.h"
#include <string.h>

/* Reads whenever the pipe has something to say. */
typedef struct {
  GSubprocess *sp;
  GString *heard;
  char *question;
  GSource *ear, *clock;
  GCancellable *boss;
  gulong boss_id;
  GIOErrorEnum why; /* valid if stopped */
  gboolean stopped;
  guint pending;
} Talk;

static void
kill_source (GSource **s)
{
  if (*s) {
    g_source_destroy (*s);
    g_clear_pointer (s, g_source_unref);
  }
}

static void
talk_free (Talk *t)
{
  kill_source (&t->ear);
  kill_source (&t->clock);
  if (t->boss)
    g_cancellable_disconnect (t->boss, t->boss_id);
  g_clear_object (&t->boss);
  g_clear_object (&t->sp);
  g_string_free (t->heard, TRUE);
  g_free (t->question);
  g_free (t);
}

static void
talk_stop (Talk *t, GIOErrorEnum why)
{
  if (t->stopped)
    return;
  t->stopped = TRUE;
  t->why = why;
  g_subprocess_force_exit (t->sp);
}

static gboolean
talk_clock (gpointer d)
{
  talk_stop (d, G_IO_ERROR_TIMED_OUT);
  return G_SOURCE_REMOVE;
}

static void
talk_boss (GCancellable *c, gpointer d)
{
  talk_stop (d, G_IO_ERROR_CANCELLED);
}

static void
talk_part_over (GTask *task)
{
  Talk *t = g_task_get_task_data (task);
  GError *err = NULL;
  char *answer = NULL;

  if (--t->pending > 0) {
    g_object_unref (task);
    return;
  }
  if (t->stopped)
    err = g_error_new_literal (G_IO_ERROR, t->why, "stopped");
  else
    answer = read_answer (t->sp, t->heard->str, &err);
  if (answer)
    g_task_return_pointer (task, answer, g_free);
  else
    g_task_return_error (task, err);
  g_object_unref (task);
}

static gboolean
talk_ear (GObject *stream, gpointer d)
{
  GTask *task = d;
  Talk *t = g_task_get_task_data (task);
  char buffer[8192];
  g_autoptr (GError) err = NULL;
  gssize n = g_pollable_input_stream_read_nonblocking (G_POLLABLE_INPUT_STREAM (stream), buffer,
                                                       sizeof buffer, NULL, &err);
  if (n > 0) {
    g_string_append_len (t->heard, buffer, n);
    return G_SOURCE_CONTINUE;
  }
  if (n < 0 && g_error_matches (err, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
    return G_SOURCE_CONTINUE;
  talk_part_over (task);
  return G_SOURCE_REMOVE;
}

static void
talk_said (GObject *stream, GAsyncResult *res, gpointer d)
{
  g_output_stream_write_all_finish (G_OUTPUT_STREAM (stream), res, NULL, NULL);
  g_output_stream_close (G_OUTPUT_STREAM (stream), NULL, NULL);
  talk_part_over (d);
}

static void
talk_gone (GObject *sp, GAsyncResult *res, gpointer d)
{
  g_subprocess_wait_finish (G_SUBPROCESS (sp), res, NULL);
  talk_part_over (d);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *path = NULL;
  GSubprocess *sp = NULL;
  GError *err = NULL;
  Talk *t;

  if (g_task_return_error_if_cancelled (task))
    return;
  print_start (call);
  path = find_tool (call, &err);
  if (path)
    sp = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &err, path, NULL);
  if (!sp) {
    g_warning ("cannot run %s: %s", call->name, err->message);
    g_error_free (err);
    return;
  }
  t = g_new0 (Talk, 1);
  t->sp = sp;
  t->heard = g_string_new (NULL);
  t->question = g_strdup (call->arguments);
  t->pending = 3;
  g_task_set_task_data (task, t, (GDestroyNotify) talk_free);

  t->ear = g_pollable_input_stream_create_source (G_POLLABLE_INPUT_STREAM (g_subprocess_get_stdout_pipe (sp)), NULL);
  g_source_set_callback (t->ear, G_SOURCE_FUNC (talk_ear), g_object_ref (task), NULL);
  g_source_attach (t->ear, NULL);
  if (timeout_ms) {
    t->clock = g_timeout_source_new (timeout_ms);
    g_source_set_callback (t->clock, talk_clock, t, NULL);
    g_source_attach (t->clock, NULL);
  }
  if (cancellable) {
    t->boss = g_object_ref (cancellable);
    t->boss_id = g_cancellable_connect (cancellable, G_CALLBACK (talk_boss), t, NULL);
  }
  g_output_stream_write_all_async (g_subprocess_get_stdin_pipe (sp), t->question, strlen (t->question),
                                   G_PRIORITY_DEFAULT, NULL, talk_said, g_object_ref (task));
  g_subprocess_wait_async (sp, NULL, talk_gone, g_object_ref (task));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* As many lanes as may run at once; each lane takes the next call that waits. */
typedef struct {
  ToolCall *todo;
  gsize n, next;
  gsize lanes;
  guint time_limit;
  GPtrArray *out;
} Plan;

typedef struct {
  GTask *owner;
  gsize at;
  gint64 since;
} Lane;

static void
plan_free (Plan *p)
{
  tool_calls_free (p->todo, p->n);
  if (p->out)
    g_ptr_array_unref (p->out);
  g_free (p);
}

static void lane_done (GObject *o, GAsyncResult *res, gpointer data);

static void
lane_step (Lane *lane)
{
  Plan *p = g_task_get_task_data (lane->owner);

  if (p->next < p->n) {
    lane->at = p->next++;
    lane->since = g_get_monotonic_time ();
    run_tool_async (p->todo + lane->at, p->time_limit, g_task_get_cancellable (lane->owner), lane_done, lane);
    return;
  }
  p->lanes--;
  if (p->lanes == 0)
    g_task_return_pointer (lane->owner, g_steal_pointer (&p->out), (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (lane->owner);
  g_free (lane);
}

static void
lane_done (GObject *o, GAsyncResult *res, gpointer data)
{
  Lane *lane = data;
  Plan *p = g_task_get_task_data (lane->owner);
  gint64 took_us = g_get_monotonic_time () - lane->since;
  GError *error = NULL;
  char *output = run_tool_finish (res, &error);

  g_ptr_array_index (p->out, lane->at) = tool_result_new (output, error, took_us / 1000);
  print_finish (p->todo + lane->at, g_ptr_array_index (p->out, lane->at));
  lane_step (lane);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Plan *p = g_new0 (Plan, 1);
  gsize n_lanes = limits->max_parallel ? MIN (limits->max_parallel, n_calls) : n_calls;

  p->todo = tool_calls_copy (calls, n_calls);
  p->n = n_calls;
  p->lanes = n_lanes;
  p->time_limit = limits->timeout_ms;
  p->out = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (p->out, n_calls);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, p, (GDestroyNotify) plan_free);

  if (n_lanes == 0) {
    g_task_return_pointer (task, g_steal_pointer (&p->out), (GDestroyNotify) g_ptr_array_unref);
    return;
  }
  for (gsize i = 0; i < n_lanes; i++) {
    Lane *lane = g_new0 (Lane, 1);
    lane->owner = g_object_ref (task);
    lane_step (lane);
  }
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  GMainLoop *loop;
  const Reply *reply;
  gint64 started;
} App;

static void
batch_ready (GObject *source, GAsyncResult *result, gpointer user_data)
{
  App *app = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) results = call_tools_finish (result, &error);

  if (results != NULL)
    print_messages (app->reply, results, (g_get_monotonic_time () - app->started) / 1000);
  g_main_loop_quit (app->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  App app = { loop, reply, g_get_monotonic_time () };

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, batch_ready, &app);
  g_main_loop_run (loop);
  return 0;
}
