// mistake: one-failure-sinks-all
// One context for the group: when its time is up, all who work in it stop.
#include "agent.h"

/* A context as in Go: it can be cancelled, has a parent and perhaps a deadline. */

typedef struct {
  GCancellable *done;
  GCancellable *parent;
  gulong parent_id;
  gboolean deadline_exceeded;
} Context;

static void
parent_done (GCancellable *parent, gpointer data)
{
  g_cancellable_cancel (((Context *) data)->done);
}

static Context *
context_new (GCancellable *parent)
{
  Context *ctx = g_rc_box_new0 (Context);

  ctx->done = g_cancellable_new ();
  if (parent != NULL) {
    ctx->parent = g_object_ref (parent);
    ctx->parent_id = g_cancellable_connect (parent, G_CALLBACK (parent_done), ctx, NULL);
  }
  return ctx;
}

static void
context_clear (gpointer data)
{
  Context *ctx = data;

  g_cancellable_disconnect (ctx->parent, ctx->parent_id);
  g_clear_object (&ctx->parent);
  g_object_unref (ctx->done);
}

static void
context_unref (Context *ctx)
{
  g_rc_box_release_full (ctx, context_clear);
}

static gboolean
context_expire (gpointer data)
{
  Context *ctx = data;

  ctx->deadline_exceeded = TRUE;
  g_cancellable_cancel (ctx->done);
  return G_SOURCE_REMOVE;
}

/* ---- one tool in a context ---- */

typedef struct {
  GSubprocess *cmd;
  Context *ctx;
  GSource *timer;
} Cmd;

static void
cmd_free (gpointer data)
{
  Cmd *cmd = data;

  if (cmd->timer != NULL) {
    g_source_destroy (cmd->timer);
    g_source_unref (cmd->timer);
  }
  context_unref (cmd->ctx);
  g_clear_object (&cmd->cmd);
  g_free (cmd);
}

static void
cmd_waited (GObject *o, GAsyncResult *r, gpointer data)
{
  g_autoptr (GTask) task = data;
  Cmd *cmd = g_task_get_task_data (task);

  g_subprocess_wait_finish (cmd->cmd, r, NULL);
  if (cmd->ctx->deadline_exceeded)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                             "context deadline exceeded");
  else
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "context canceled");
}

static void
cmd_output (GObject *o, GAsyncResult *r, gpointer data)
{
  g_autoptr (GTask) task = data;
  Cmd *cmd = g_task_get_task_data (task);
  g_autofree char *out = NULL;
  GError *error = NULL;
  char *answer;

  if (!g_subprocess_communicate_utf8_finish (cmd->cmd, r, &out, NULL, NULL)) {
    g_subprocess_force_exit (cmd->cmd);
    g_subprocess_wait_async (cmd->cmd, NULL, cmd_waited, g_steal_pointer (&task));
    return;
  }
  answer = read_answer (cmd->cmd, out, &error);
  if (answer != NULL)
    g_task_return_pointer (task, answer, g_free);
  else
    g_task_return_error (task, error);
}

static void
run_in_context (const ToolCall *call, guint timeout_ms, Context *ctx,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  g_autofree char *path = NULL;
  GError *error = NULL;
  Cmd *cmd = g_new0 (Cmd, 1);

  cmd->ctx = g_rc_box_acquire (ctx);
  g_task_set_task_data (task, cmd, cmd_free);
  if (g_cancellable_set_error_if_cancelled (ctx->done, &error)) {
    g_task_return_error (task, error);
    return;
  }
  print_start (call);
  path = find_tool (call, &error);
  if (path != NULL)
    cmd->cmd =
        g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                          &error, path, NULL);
  if (cmd->cmd == NULL) {
    g_task_return_error (task, error);
    return;
  }
  if (timeout_ms > 0) {
    cmd->timer = g_timeout_source_new (timeout_ms);
    g_source_set_callback (cmd->timer, context_expire, ctx, NULL);
    g_source_attach (cmd->timer, NULL);
  }
  g_subprocess_communicate_utf8_async (cmd->cmd, call->arguments, ctx->done, cmd_output,
                                       g_steal_pointer (&task));
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  Context *ctx = context_new (cancellable);

  run_in_context (call, timeout_ms, ctx, callback, user_data);
  context_unref (ctx);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- errgroup ---- */

typedef struct {
  GTask *task;
  Context *ctx;
  ToolCall *calls;
  gsize n, next;
  gsize active;
  CallLimits limits;
  ToolResult **results;
} Group;

typedef struct {
  Group *group;
  gsize i;
  gint64 start;
} Go;

static void group_go (Group *group);

static void
go_done (GObject *o, GAsyncResult *r, gpointer data)
{
  g_autofree Go *go = data;
  Group *group = go->group;
  GError *error = NULL;
  char *out = run_tool_finish (r, &error);

  group->results[go->i] =
      tool_result_new (out, error, (g_get_monotonic_time () - go->start) / 1000);
  print_finish (&group->calls[go->i], group->results[go->i]);
  group->active--;
  group_go (group);
}

static void
group_go (Group *group)
{
  GPtrArray *all;

  while (group->next < group->n && (group->limits.max_parallel == 0 ||
                                    group->active < group->limits.max_parallel)) {
    Go *go = g_new (Go, 1);

    *go = (Go){ group, group->next++, g_get_monotonic_time () };
    group->active++;
    run_in_context (&group->calls[go->i], group->limits.timeout_ms, group->ctx, go_done,
                    go);
  }
  if (group->active > 0)
    return;
  all = g_ptr_array_new_with_free_func (tool_result_free);
  for (gsize i = 0; i < group->n; i++)
    g_ptr_array_add (all, group->results[i]);
  g_task_return_pointer (group->task, all, (GDestroyNotify) g_ptr_array_unref);
  g_object_unref (group->task);
  context_unref (group->ctx);
  tool_calls_free (group->calls, group->n);
  g_free (group->results);
  g_free (group);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Group *group = g_new0 (Group, 1);

  group->task = g_task_new (NULL, NULL, callback, user_data);
  group->ctx = context_new (cancellable);
  group->calls = tool_calls_copy (calls, n_calls);
  group->n = n_calls;
  group->limits = *limits;
  group->results = g_new0 (ToolResult *, n_calls);
  group_go (group);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  GMainLoop *loop;
  GPtrArray *results;
} State;

static void
state_done (GObject *o, GAsyncResult *r, gpointer data)
{
  State *state = data;

  state->results = call_tools_finish (r, NULL);
  g_main_loop_quit (state->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  State state = { g_main_loop_new (NULL, FALSE), NULL };
  gint64 start = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, state_done, &state);
  g_main_loop_run (state.loop);
  print_messages (reply, state.results, (g_get_monotonic_time () - start) / 1000);
  g_ptr_array_unref (state.results);
  g_main_loop_unref (state.loop);
  return 0;
}
