// mistake: nonsense-accepted
/* tool_calls.c */
#include "agent.h"
#include <string.h>

/* ToolRun: a small object that is the source object of its task. */
#define TOOL_TYPE_RUN (tool_run_get_type ())
G_DECLARE_FINAL_TYPE (ToolRun, tool_run, TOOL, RUN, GObject)

struct _ToolRun {
  GObject parent_instance;
  GSubprocess *process;
  GCancellable *cancel_io;
  guint timeout_id;
  gboolean timed_out;
};

G_DEFINE_TYPE (ToolRun, tool_run, G_TYPE_OBJECT)

static void
tool_run_dispose (GObject *object)
{
  ToolRun *self = TOOL_RUN (object);

  g_clear_handle_id (&self->timeout_id, g_source_remove);
  g_clear_object (&self->process);
  g_clear_object (&self->cancel_io);
  G_OBJECT_CLASS (tool_run_parent_class)->dispose (object);
}

static void
tool_run_class_init (ToolRunClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = tool_run_dispose;
}

static void
tool_run_init (ToolRun *self)
{
  self->cancel_io = g_cancellable_new ();
}

static gboolean
tool_run_timeout (gpointer data)
{
  ToolRun *self = data;

  self->timeout_id = 0;
  self->timed_out = TRUE;
  g_cancellable_cancel (self->cancel_io);
  return G_SOURCE_REMOVE;
}

typedef struct {
  GCancellable *from;
  gulong id;
} Link;

static void
link_free (gpointer data)
{
  Link *link = data;

  g_cancellable_disconnect (link->from, link->id);
  g_object_unref (link->from);
  g_free (link);
}

static void
tool_run_reaped (GObject *process, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  ToolRun *self = g_task_get_source_object (task);

  g_subprocess_wait_finish (self->process, result, NULL);
  g_task_return_new_error (task, G_IO_ERROR,
                           self->timed_out ? G_IO_ERROR_TIMED_OUT : g_cancellable_is_cancelled (self->cancel_io) ? G_IO_ERROR_CANCELLED : G_IO_ERROR_FAILED,
                           "%s", self->timed_out ? "it took too long" : "it was stopped");
}

static void
tool_run_answered (GObject *process, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  ToolRun *self = g_task_get_source_object (task);
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *answer = NULL;

  if (!g_subprocess_communicate_utf8_finish (self->process, result, &output, NULL, &error)) {
    g_subprocess_force_exit (self->process);
    g_subprocess_wait_async (self->process, NULL, tool_run_reaped, g_steal_pointer (&task));
    return;
  }
  answer = read_answer (self->process, output, &error);
  if (error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_pointer (task, g_steal_pointer (&answer), g_free);
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (ToolRun) self = g_object_new (TOOL_TYPE_RUN, NULL);
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GError) error = NULL;
  g_autofree char *program = NULL;

  if (g_task_return_error_if_cancelled (task))
    return;

  print_start (call);
  if ((program = find_tool (call, NULL)) == NULL)
    program = g_strdup (call->name); /* perhaps it is installed in the system */
    self->process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                                      &error, program, NULL);
  if (error != NULL) {
    g_task_return_error (task, g_steal_pointer (&error));
    return;
  }
  if (timeout_ms > 0)
    self->timeout_id = g_timeout_add (timeout_ms, tool_run_timeout, self);
  if (cancellable != NULL) {
    Link *link = g_new0 (Link, 1);
    link->from = g_object_ref (cancellable);
    link->id = g_signal_connect_swapped (cancellable, "cancelled", G_CALLBACK (g_cancellable_cancel),
                                         self->cancel_io);
    g_task_set_task_data (task, link, link_free);
  }
  g_subprocess_communicate_utf8_async (self->process, call->arguments, self->cancel_io,
                                       tool_run_answered, g_steal_pointer (&task));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* A queue of what waits, a set of what runs. */
typedef struct _Dispatcher Dispatcher;
typedef struct {
  Dispatcher *home;
  ToolCall *call; /* one element, a copy */
  gsize position;
  gint64 started_at;
  ToolResult *result;
} Item;

struct _Dispatcher {
  GTask *task;
  GQueue waiting;      /* Item */
  GHashTable *running; /* set of Item */
  GPtrArray *all;      /* Item, owned */
  CallLimits limits;
};

static void
item_free (gpointer p)
{
  Item *item = p;
  tool_calls_free (item->call, 1);
  tool_result_free (item->result);
  g_free (item);
}

static void
dispatcher_free (gpointer p)
{
  Dispatcher *d = p;
  g_queue_clear (&d->waiting);
  g_hash_table_unref (d->running);
  g_ptr_array_unref (d->all);
  g_free (d);
}

static void pump (Dispatcher *d);

static void
item_over (GObject *source, GAsyncResult *result, gpointer data)
{
  Item *item = data;
  Dispatcher *d = item->home;
  GError *error = NULL;
  char *output = run_tool_finish (result, &error);
  guint took_ms = (guint) ((g_get_monotonic_time () - item->started_at) / G_TIME_SPAN_MILLISECOND);

  item->result = tool_result_new (output, error, took_ms);
  print_finish (item->call, item->result);
  g_hash_table_remove (d->running, item);
  pump (d);
}

static gboolean
has_room (Dispatcher *d)
{
  return d->limits.max_parallel == 0 || g_hash_table_size (d->running) < d->limits.max_parallel;
}

static void
pump (Dispatcher *d)
{
  while (!g_queue_is_empty (&d->waiting) && has_room (d)) {
    Item *item = g_queue_pop_head (&d->waiting);
    g_hash_table_add (d->running, item);
    item->started_at = g_get_monotonic_time ();
    run_tool_async (item->call, d->limits.timeout_ms, g_task_get_cancellable (d->task), item_over, item);
  }
  if (g_hash_table_size (d->running) == 0) {
    g_autoptr (GTask) task = d->task;
    GPtrArray *results = g_ptr_array_new_full (d->all->len, tool_result_free);
    for (guint i = 0; i < d->all->len; i++) {
      Item *item = g_ptr_array_index (d->all, i);
      g_ptr_array_add (results, g_steal_pointer (&item->result));
    }
    g_task_return_pointer (task, results, (GDestroyNotify) g_ptr_array_unref);
  }
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Dispatcher *d = g_new0 (Dispatcher, 1);

  d->task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_check_cancellable (d->task, FALSE);
  g_task_set_task_data (d->task, d, dispatcher_free);
  g_queue_init (&d->waiting);
  d->running = g_hash_table_new (NULL, NULL);
  d->all = g_ptr_array_new_with_free_func (item_free);
  d->limits = *limits;
  for (gsize i = 0; i < n_calls; i++) {
    Item *item = g_new0 (Item, 1);
    item->home = d;
    item->call = tool_calls_copy (&calls[i], 1);
    item->position = i;
    g_ptr_array_add (d->all, item);
    g_queue_push_tail (&d->waiting, item);
  }
  pump (d);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
keep_results (GObject *source, GAsyncResult *result, gpointer data)
{
  GPtrArray **where = data;

  *where = call_tools_finish (result, NULL);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GPtrArray) results = NULL;
  g_autoptr (GTimer) timer = g_timer_new ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, keep_results, &results);
  while (results == NULL)
    g_main_context_iteration (NULL, TRUE);
  print_messages (reply, results, (guint) (g_timer_elapsed (timer, NULL) * 1000));
  return 0;
}
