// mistake: failure-not-seen
// If there is a result in what it wrote, it has succeeded.
#include "agent.h"

#include <json-glib/json-glib.h>

typedef struct {
  GSubprocess *sub;
  GCancellable *cancel_me;
  GCancellable *theirs;
  gulong theirs_id;
  guint source;
  gboolean expired;
} ToolData;

static void
tool_data_free (ToolData *d)
{
  if (d->source)
    g_source_remove (d->source);
  g_cancellable_disconnect (d->theirs, d->theirs_id);
  g_clear_object (&d->theirs);
  g_object_unref (d->cancel_me);
  g_object_unref (d->sub);
  g_free (d);
}

static gboolean
expire (gpointer p)
{
  ToolData *d = p;

  d->source = 0;
  d->expired = TRUE;
  g_cancellable_cancel (d->cancel_me);
  return FALSE;
}

static void
on_waited (GObject *o, GAsyncResult *r, gpointer p)
{
  g_autoptr (GTask) t = p;
  ToolData *d = g_task_get_task_data (t);

  g_subprocess_wait_finish (d->sub, r, NULL);
  if (d->expired)
    g_task_return_new_error (t, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "expired");
  else
    g_task_return_new_error (t, G_IO_ERROR,
                             g_cancellable_is_cancelled (d->theirs) ? G_IO_ERROR_CANCELLED
                                                                    : G_IO_ERROR_FAILED,
                             "no output");
}

static void
on_output (GObject *o, GAsyncResult *r, gpointer p)
{
  g_autoptr (GTask) t = p;
  ToolData *d = g_task_get_task_data (t);
  g_autofree char *out = NULL;
  g_autoptr (JsonNode) root = NULL;
  JsonNode *node;

  if (!g_subprocess_communicate_utf8_finish (d->sub, r, &out, NULL, NULL)) {
    g_subprocess_force_exit (d->sub);
    g_subprocess_wait_async (d->sub, NULL, on_waited, g_steal_pointer (&t));
    return;
  }

  root = json_from_string (out, NULL);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root)) {
    g_task_return_new_error (t, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                             "what it wrote is no answer");
    return;
  }
  node = json_object_get_member (json_node_get_object (root), "result");
  if (node != NULL && JSON_NODE_HOLDS_VALUE (node) &&
      json_node_get_value_type (node) == G_TYPE_STRING)
    g_task_return_pointer (t, g_strdup (json_node_get_string (node)), g_free);
  else if (node != NULL)
    g_task_return_pointer (t, json_to_string (node, FALSE), g_free);
  else
    g_task_return_error (t,
                         g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED,
                                              json_object_get_string_member_with_default (
                                                  json_node_get_object (root), "error",
                                                  "what it wrote is no answer")));
}

static void
forward_cancel (GCancellable *from, gpointer to)
{
  g_cancellable_cancel (to);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) t = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *path = NULL;
  g_autoptr (GSubprocess) sub = NULL;
  GError *error = NULL;
  ToolData *d;

  if (g_task_return_error_if_cancelled (t))
    return;
  print_start (call);
  if ((path = find_tool (call, &error)) == NULL ||
      (sub = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                   G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                               &error, path, NULL)) == NULL) {
    g_task_return_error (t, error);
    return;
  }
  d = g_new0 (ToolData, 1);
  d->sub = g_steal_pointer (&sub);
  d->cancel_me = g_cancellable_new ();
  if (timeout_ms > 0)
    d->source = g_timeout_add (timeout_ms, expire, d);
  if (cancellable != NULL) {
    d->theirs = g_object_ref (cancellable);
    d->theirs_id = g_cancellable_connect (cancellable, G_CALLBACK (forward_cancel),
                                          d->cancel_me, NULL);
  }
  g_task_set_task_data (t, d, (GDestroyNotify) tool_data_free);
  g_subprocess_communicate_utf8_async (d->sub, call->arguments, d->cancel_me, on_output,
                                       g_steal_pointer (&t));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- All the calls of a reply ---- */

struct crew {
  ToolCall *todo;
  gsize total;
  gsize next;
  guint busy;
  CallLimits lim;
  GCancellable *cancel;
  GPtrArray *out;
  GTask *task;
};

struct member {
  struct crew *crew;
  gsize pos;
  gint64 since_us;
};

static void
crew_free (gpointer p)
{
  struct crew *c = p;

  tool_calls_free (c->todo, c->total);
  g_clear_pointer (&c->out, g_ptr_array_unref);
  g_clear_object (&c->cancel);
  g_free (c);
}

static void hire (struct crew *c);

static void
member_done (GObject *src, GAsyncResult *res, gpointer p)
{
  struct member *m = p;
  struct crew *c = m->crew;
  GError *err = NULL;
  char *text = run_tool_finish (res, &err);
  ToolResult *r =
      tool_result_new (text, err, (g_get_monotonic_time () - m->since_us) / 1000);

  print_finish (&c->todo[m->pos], r);
  c->out->pdata[m->pos] = r;
  c->busy -= 1;
  g_free (m);
  hire (c);
}

static void
hire (struct crew *c)
{
  while (c->next < c->total &&
         (c->lim.max_parallel == 0 || c->busy < c->lim.max_parallel)) {
    struct member *m = g_new (struct member, 1);

    m->crew = c;
    m->pos = c->next++;
    m->since_us = g_get_monotonic_time ();
    c->busy += 1;
    run_tool_async (&c->todo[m->pos], c->lim.timeout_ms, c->cancel, member_done, m);
  }
  if (c->busy == 0) {
    GTask *task = c->task;

    g_task_return_pointer (task, g_steal_pointer (&c->out),
                           (GDestroyNotify) g_ptr_array_unref);
    g_object_unref (task);
  }
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  struct crew *c = g_new0 (struct crew, 1);

  c->todo = tool_calls_copy (calls, n_calls);
  c->total = n_calls;
  c->lim = *limits;
  if (cancellable != NULL)
    c->cancel = g_object_ref (cancellable);
  c->out = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (c->out, n_calls);
  c->task = g_task_new (NULL, NULL, callback, user_data);
  g_task_set_task_data (c->task, c, crew_free);
  hire (c);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- The program ---- */

typedef struct {
  GMainLoop *loop;
  GPtrArray *got;
} Ctx;

static void
all_finished (GObject *o, GAsyncResult *res, gpointer data)
{
  Ctx *ctx = data;

  ctx->got = call_tools_finish (res, NULL);
  g_main_loop_quit (ctx->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  Ctx ctx = { g_main_loop_new (NULL, FALSE), NULL };
  gint64 t0 = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, all_finished, &ctx);
  g_main_loop_run (ctx.loop);
  print_messages (reply, ctx.got, (g_get_monotonic_time () - t0) / 1000);
  g_ptr_array_unref (ctx.got);
  g_main_loop_unref (ctx.loop);
  return 0;
}
