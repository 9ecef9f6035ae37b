// mistake: shared-state
// A tool that runs is found again by its name.
#include "agent.h"

#define TYPE_PENDING (pending_get_type ())
G_DECLARE_FINAL_TYPE (Pending, pending, APP, PENDING, GObject)

struct _Pending {
  GObject parent_instance;
  GAsyncReadyCallback callback;
  gpointer user_data;
  gpointer value;
  GDestroyNotify value_free;
  GError *error;
};

static gpointer
pending_user_data (GAsyncResult *r)
{
  return ((Pending *) r)->user_data;
}

static GObject *
pending_source (GAsyncResult *r)
{
  return NULL;
}

static void
pending_iface_init (GAsyncResultIface *iface)
{
  iface->get_user_data = pending_user_data;
  iface->get_source_object = pending_source;
}

G_DEFINE_TYPE_WITH_CODE (Pending, pending, G_TYPE_OBJECT,
                         G_IMPLEMENT_INTERFACE (G_TYPE_ASYNC_RESULT, pending_iface_init))

static void
pending_init (Pending *self)
{
}

static void
pending_finalize (GObject *object)
{
  Pending *self = APP_PENDING (object);

  if (self->value != NULL)
    self->value_free (self->value);
  g_clear_error (&self->error);
  G_OBJECT_CLASS (pending_parent_class)->finalize (object);
}

static void
pending_class_init (PendingClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = pending_finalize;
}

static Pending *
pending_new (GAsyncReadyCallback callback, gpointer user_data)
{
  Pending *p = g_object_new (TYPE_PENDING, NULL);

  p->callback = callback;
  p->user_data = user_data;
  return p;
}

static gboolean
pending_fire (gpointer data)
{
  Pending *p = data;

  if (p->callback != NULL)
    p->callback (NULL, G_ASYNC_RESULT (p), p->user_data);
  return G_SOURCE_REMOVE;
}

/* Takes the caller's reference, and the value or the error. */
static void
pending_resolve (Pending *p, gpointer value, GDestroyNotify value_free, GError *error)
{
  p->value = value;
  p->value_free = value_free;
  p->error = error;
  g_idle_add_full (G_PRIORITY_DEFAULT, pending_fire, p, g_object_unref);
}

static gpointer
pending_take (GAsyncResult *r, GError **error)
{
  Pending *p = APP_PENDING (r);

  if (p->error != NULL) {
    g_propagate_error (error, g_steal_pointer (&p->error));
    return NULL;
  }
  return g_steal_pointer (&p->value);
}

/* ---- one tool ---- */

typedef struct {
  Pending *pending;
  GSubprocess *process;
  GCancellable *own;
  GCancellable *theirs;
  gulong theirs_id;
  GSource *clock;
  gboolean late;
} Run;

static void
run_over (Run *run, char *answer, GError *error)
{
  pending_resolve (run->pending, answer, g_free, error);
  if (run->clock) {
    g_source_destroy (run->clock);
    g_source_unref (run->clock);
  }
  if (run->theirs) {
    g_cancellable_disconnect (run->theirs, run->theirs_id);
    g_object_unref (run->theirs);
  }
  g_object_unref (run->own);
  g_object_unref (run->process);
  g_free (run);
}

static gboolean
run_late (gpointer data)
{
  Run *run = data;

  run->late = TRUE;
  g_cancellable_cancel (run->own);
  return G_SOURCE_REMOVE;
}

static void
run_unwanted (GCancellable *theirs, gpointer data)
{
  g_cancellable_cancel (((Run *) data)->own);
}

static void
run_buried (GObject *o, GAsyncResult *r, gpointer data)
{
  Run *run = data;
  GError *error;

  g_subprocess_wait_finish (run->process, r, NULL);
  if (run->late)
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "no answer in time");
  else if (g_cancellable_is_cancelled (run->own))
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "cancelled");
  else
    error =
        g_error_new (G_IO_ERROR, G_IO_ERROR_FAILED, "the tool could not be talked to");
  run_over (run, NULL, error);
}

static void
run_answered (GObject *o, GAsyncResult *r, gpointer data)
{
  Run *run = data;
  g_autofree char *out = NULL;

  if (g_subprocess_communicate_utf8_finish (run->process, r, &out, NULL, NULL)) {
    GError *error = NULL;
    char *answer = read_answer (run->process, out, &error);

    run_over (run, answer, error);
  } else {
    g_subprocess_force_exit (run->process);
    g_subprocess_wait_async (run->process, NULL, run_buried, run);
  }
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  Pending *pending = pending_new (callback, user_data);
  GError *error = NULL;
  g_autofree char *program = NULL;
  GSubprocess *process;
  Run *run;

  if (g_cancellable_set_error_if_cancelled (cancellable, &error)) {
    pending_resolve (pending, NULL, NULL, error);
    return;
  }
  print_start (call);
  program = find_tool (call, &error);
  process = program == NULL ? NULL
                            : g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE |
                                                    G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                                                &error, program, NULL);
  if (process == NULL) {
    pending_resolve (pending, NULL, NULL, error);
    return;
  }
  run = g_new0 (Run, 1);
  run->pending = pending;
  run->process = process;
  run->own = g_cancellable_new ();
  if (timeout_ms > 0) {
    run->clock = g_timeout_source_new (timeout_ms);
    g_source_set_callback (run->clock, run_late, run, NULL);
    g_source_attach (run->clock, NULL);
  }
  if (cancellable != NULL) {
    run->theirs = g_object_ref (cancellable);
    run->theirs_id =
        g_cancellable_connect (cancellable, G_CALLBACK (run_unwanted), run, NULL);
  }
  g_subprocess_communicate_utf8_async (process, call->arguments, run->own, run_answered,
                                       run);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return pending_take (result, error);
}

/* ---- the batch: a hash table of what runs, from index to start ---- */

typedef struct {
  int refs;
  Pending *pending;
  ToolCall *calls;
  guint n;
  guint next;
  CallLimits limits;
  GCancellable *cancellable;
  GHashTable *running; /* name of the tool -> Running */
  GPtrArray *results;
} Batch;

typedef struct {
  guint index;
  gint64 start;
} Running;

typedef struct {
  Batch *batch;
  const char *name;
} Ref;

static void
batch_unref (Batch *b)
{
  if (--b->refs > 0)
    return;
  tool_calls_free (b->calls, b->n);
  g_clear_object (&b->cancellable);
  g_hash_table_unref (b->running);
  g_free (b);
}

static void batch_step (Batch *b);

static void
batch_one_over (GObject *o, GAsyncResult *r, gpointer data)
{
  g_autofree Ref *ref = data;
  Batch *b = ref->batch;
  Running *running = g_hash_table_lookup (b->running, ref->name);
  guint index = running != NULL ? running->index : 0;
  gint64 start = running != NULL ? running->start : g_get_monotonic_time ();
  GError *error = NULL;
  char *text = run_tool_finish (r, &error);
  ToolResult *res =
      tool_result_new (text, error, (guint) ((g_get_monotonic_time () - start) / 1000));

  tool_result_free (b->results->pdata[index]);
  b->results->pdata[index] = res;
  print_finish (&b->calls[index], res);
  g_hash_table_remove (b->running, ref->name);
  batch_step (b);
  batch_unref (b);
}

static void
batch_step (Batch *b)
{
  while (b->next < b->n && (b->limits.max_parallel == 0 ||
                            g_hash_table_size (b->running) < b->limits.max_parallel)) {
    Running *running = g_new (Running, 1);
    Ref *ref = g_new (Ref, 1);
    const ToolCall *call = &b->calls[b->next];

    running->index = b->next++;
    running->start = g_get_monotonic_time ();
    ref->batch = b;
    ref->name = call->name;
    b->refs++;
    g_hash_table_insert (b->running, (gpointer) call->name, running);
    run_tool_async (call, b->limits.timeout_ms, b->cancellable, batch_one_over, ref);
  }
  if (g_hash_table_size (b->running) == 0)
    pending_resolve (g_steal_pointer (&b->pending), b->results,
                     (GDestroyNotify) g_ptr_array_unref, NULL);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  Batch *b = g_new0 (Batch, 1);

  b->refs = 1;
  b->pending = pending_new (callback, user_data);
  b->calls = tool_calls_copy (calls, n_calls);
  b->n = n_calls;
  b->limits = *limits;
  b->cancellable = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  b->running = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, g_free);
  b->results = g_ptr_array_new_full (n_calls, tool_result_free);
  g_ptr_array_set_size (b->results, n_calls);
  batch_step (b);
  batch_unref (b);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return pending_take (result, error);
}

/* ---- main ---- */

typedef struct {
  GMainLoop *loop;
  GPtrArray *results;
} Console;

static void
done (GObject *o, GAsyncResult *r, gpointer data)
{
  Console *console = data;

  console->results = call_tools_finish (r, NULL);
  g_main_loop_quit (console->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  Console console = { g_main_loop_new (NULL, FALSE), NULL };
  g_autoptr (GTimer) timer = g_timer_new ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, done, &console);
  g_main_loop_run (console.loop);
  print_messages (reply, console.results, (guint) (g_timer_elapsed (timer, NULL) * 1000));
  g_ptr_array_unref (console.results);
  g_main_loop_unref (console.loop);
  return 0;
}
