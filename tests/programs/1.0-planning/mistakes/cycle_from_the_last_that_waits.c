// mistake: cycle-not-named
/* Every step is a promise; who needs it subscribes to it. */
#include "plan.h"
typedef struct {
  const char *name;
  guint seconds;
  StepDone done;
  gpointer user_data;
} RunningStep;

static gboolean
on_time_is_up (gpointer user_data)
{
  g_autofree RunningStep *running = user_data;

  g_print ("[%s] finished after %u seconds\n", running->name, running->seconds);
  running->done (running->user_data);
  return G_SOURCE_REMOVE;
}

void
run_step (const char *name, guint seconds, StepDone done, gpointer user_data)
{
  RunningStep *running = g_new (RunningStep, 1);

  *running = (RunningStep){ name, seconds, done, user_data };
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, on_time_is_up, running);
}

typedef void (*Then) (gpointer self);
typedef struct {
  Then func;
  gpointer self;
} Subscriber;

typedef struct {
  const char *name;
  guint seconds;
  gsize index;
  gsize awaiting;       /* promises that must still be kept */
  GArray *subscribers;  /* of Subscriber */
  GPtrArray *needs;     /* of Promise */
  guint64 tail;
  gpointer world;
} Promise;

static void
promise_free (gpointer data)
{
  Promise *p = data;
  g_array_unref (p->subscribers);
  g_ptr_array_unref (p->needs);
  g_free (p);
}

static gint
promise_cmp (gconstpointer a, gconstpointer b, gpointer use_tail)
{
  const Promise *x = a, *y = b;
  if (use_tail && x->tail != y->tail)
    return x->tail > y->tail ? -1 : +1;
  return x->index < y->index ? -1 : x->index > y->index ? +1 : 0;
}

typedef struct {
  GPtrArray *promises;
  GPtrArray *order;
  GSequence *ready;
  gboolean use_tail;
  GArray *times;
  gint64 born;
  gsize running, limit, pending;
  PlanDone done;
  gpointer user_data;
} World;

static void
world_free (World *w)
{
  g_ptr_array_unref (w->promises);
  g_ptr_array_unref (w->order);
  g_sequence_free (w->ready);
  g_clear_pointer (&w->times, g_array_unref);
  g_free (w);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (World, world_free)

static void
offer (World *w, Promise *p)
{
  g_sequence_insert_sorted (w->ready, p, promise_cmp, GINT_TO_POINTER (w->use_tail));
}

static void
one_less (gpointer self)
{
  Promise *p = self;
  if (--p->awaiting == 0)
    offer (p->world, p);
}

static void
resolve (Promise *p)
{
  for (guint k = 0; k < p->subscribers->len; k++) {
    Subscriber s = g_array_index (p->subscribers, Subscriber, k);
    s.func (s.self);
  }
}

static void
rewind_world (World *w, gboolean use_tail)
{
  w->use_tail = use_tail;
  for (guint i = 0; i < w->promises->len; i++) {
    Promise *p = g_ptr_array_index (w->promises, i);
    p->awaiting = p->needs->len;
    if (p->awaiting == 0)
      offer (w, p);
  }
}

static Promise *
best (World *w)
{
  GSequenceIter *it = g_sequence_get_begin_iter (w->ready);
  if (g_sequence_iter_is_end (it))
    return NULL;
  Promise *p = g_sequence_get (it);
  g_sequence_remove (it);
  return p;
}

static void
explain (World *w, GError **error)
{
  /* Walk along needs that are still awaited, with a path that knows where each stands. */
  Promise *p = NULL;
  g_autoptr (GPtrArray) path = g_ptr_array_new ();
  g_autoptr (GHashTable) place = g_hash_table_new (NULL, NULL);
  for (guint i = w->promises->len; p == NULL; i--) {
    Promise *c = g_ptr_array_index (w->promises, i - 1);
    if (c->awaiting > 0)
      p = c;
  }
  while (!g_hash_table_contains (place, p)) {
    g_hash_table_insert (place, p, GUINT_TO_POINTER (path->len));
    g_ptr_array_add (path, p);
    for (guint k = 0; k < p->needs->len; k++) {
      Promise *c = g_ptr_array_index (p->needs, k);
      if (c->awaiting > 0) {
        p = c;
        break;
      }
    }
  }
  GString *s = g_string_new (NULL);
  for (guint k = 0; k < path->len; k++)
    g_string_append_printf (s, "%s needs ", ((Promise *) g_ptr_array_index (path, k))->name);
  g_string_append (s, p->name);
  g_set_error (error, PLAN_ERROR, PLAN_ERROR_CYCLE, "%s", s->str);
  g_string_free (s, TRUE);
}

static World *
world_new (const Step *steps, gsize n, GError **error)
{
  g_autoptr (World) w = g_new0 (World, 1);
  g_autoptr (GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  Promise *p;
  w->promises = g_ptr_array_new_with_free_func (promise_free);
  w->order = g_ptr_array_new ();
  w->ready = g_sequence_new (NULL);
  for (gsize i = 0; i < n; i++) {
    p = g_new0 (Promise, 1);
    p->name = steps[i].name;
    p->seconds = steps[i].seconds;
    p->index = i;
    p->world = w;
    p->subscribers = g_array_new (FALSE, FALSE, sizeof (Subscriber));
    p->needs = g_ptr_array_new ();
    g_ptr_array_add (w->promises, p);
    if (!g_hash_table_insert (names, (gpointer) p->name, p)) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME, "duplicate name: %s", p->name);
      return NULL;
    }
  }
  for (gsize i = 0; i < n; i++) {
    const char *const *need = steps[i].needs;
    p = g_ptr_array_index (w->promises, i);
    while (need && *need) {
      Promise *other = g_hash_table_lookup (names, *need);
      if (!other) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED, "%s needs unknown %s", p->name, *need);
        return NULL;
      }
      if (other == p) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "%s needs %s", p->name, p->name);
        return NULL;
      }
      Subscriber s = { one_less, p };
      g_array_append_val (other->subscribers, s);
      g_ptr_array_add (p->needs, other);
      need++;
    }
  }
  rewind_world (w, FALSE);
  while ((p = best (w)) != NULL) {
    g_ptr_array_add (w->order, p);
    resolve (p);
  }
  if (w->order->len != n) {
    explain (w, error);
    return NULL;
  }
  for (gsize k = n; k-- > 0;) {
    /* push what remains up to those that are needed */
    p = g_ptr_array_index (w->order, k);
    p->tail += p->seconds;
    for (guint j = 0; j < p->needs->len; j++) {
      Promise *q = g_ptr_array_index (p->needs, j);
      if (q->tail < p->tail)
        q->tail = p->tail;
    }
  }
  return g_steal_pointer (&w);
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (World) w = world_new (steps, n_steps, error);
  if (w == NULL)
    return NULL;
  GArray *result = g_array_new (FALSE, FALSE, sizeof (gsize));
  for (guint k = 0; k < w->order->len; k++)
    g_array_append_val (result, ((Promise *) g_ptr_array_index (w->order, k))->index);
  return result;
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  g_autoptr (World) w = world_new (steps, n_steps, error);
  if (w == NULL)
    return NULL;
  GArray *result = g_array_new (FALSE, FALSE, sizeof (gsize));
  *makespan_s = 0;
  if (n_steps == 0)
    return result;
  Promise *p = g_ptr_array_index (w->promises, 0);
  for (guint i = 1; i < w->promises->len; i++) {
    Promise *q = g_ptr_array_index (w->promises, i);
    if (q->tail > p->tail)
      p = q;
  }
  *makespan_s = p->tail;
  for (;;) {
    g_array_append_val (result, p->index);
    Promise *longest = NULL;
    for (guint k = 0; k < p->subscribers->len; k++) {
      Promise *q = g_array_index (p->subscribers, Subscriber, k).self;
      if (longest == NULL || q->tail > longest->tail)
        longest = q;
    }
    if (longest == NULL)
      return result;
    p = longest;
  }
}

static void world_turn (World *w);

static void
kept (gpointer data)
{
  Promise *p = data;
  World *w = p->world;
  g_array_index (w->times, StepTimes, p->index).end_ms = (g_get_monotonic_time () - w->born) / 1000;
  w->running--;
  w->pending--;
  resolve (p);
  world_turn (w);
}

static void
world_turn (World *w)
{
  if (w->pending == 0) {
    w->done ((const StepTimes *) (gpointer) w->times->data, w->times->len, w->user_data);
    world_free (w);
    return;
  }
  while (w->running < w->limit) {
    Promise *p = best (w);
    if (p == NULL)
      return;
    w->running++;
    g_array_index (w->times, StepTimes, p->index).start_ms = (g_get_monotonic_time () - w->born) / 1000;
    run_step (p->name, p->seconds, kept, p);
  }
}

static gboolean
world_idle (gpointer w)
{
  world_turn (w);
  return G_SOURCE_REMOVE;
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done, gpointer user_data,
          GError **error)
{
  gint64 born = g_get_monotonic_time ();
  World *w = world_new (steps, n_steps, error);
  if (w == NULL)
    return FALSE;
  w->born = born;
  w->done = done;
  w->user_data = user_data;
  w->pending = n_steps;
  w->limit = max_parallel > 0 ? max_parallel : MAX (n_steps, 1);
  w->times = g_array_new (FALSE, TRUE, sizeof (StepTimes));
  g_array_set_size (w->times, n_steps);
  for (gsize i = 0; i < n_steps; i++)
    g_array_index (w->times, StepTimes, i).name = steps[i].name;
  rewind_world (w, TRUE);
  if (n_steps == 0)
    g_idle_add (world_idle, w);
  else
    world_turn (w);
  return TRUE;
}

static void
print_forecast (const Step *steps, gsize n_steps)
{
  guint64 sum = 0;
  guint64 makespan = 0;
  g_autoptr (GArray) path = plan_critical_path (steps, n_steps, &makespan, NULL);

  if (path == NULL)
    return;
  for (gsize i = 0; i < n_steps; i++)
    sum += steps[i].seconds;
  g_print ("One after another: %" G_GUINT64_FORMAT " s\n", sum);
  g_print ("Critical path: %" G_GUINT64_FORMAT " s", makespan);
  for (guint k = 0; k < path->len; k++)
    g_print ("%s%s", k == 0 ? ", " : " -> ", steps[g_array_index (path, gsize, k)].name);
  g_print ("\n");
}

static void
on_plan_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  gint64 end_ms = 0;

  for (gsize i = 0; i < n_times; i++)
    end_ms = MAX (end_ms, times[i].end_ms);
  g_print ("All done: %zu steps in %" G_GINT64_FORMAT " s\n", n_times, (end_ms + 500) / 1000);
  g_main_loop_quit (user_data);
}

int
main (void)
{
  const Step steps[] = {
    { "ask_model", 1, NULL },
    { "search_web", 1, NEEDS ("ask_model") },
    { "search_papers", 2, NEEDS ("ask_model") },
    { "fetch_page", 4, NEEDS ("search_web") },
    { "fetch_data", 2, NEEDS ("search_web") },
    { "read_papers", 2, NEEDS ("search_papers") },
    { "compare", 1, NEEDS ("fetch_page", "fetch_data", "read_papers") },
    { "write_answer", 1, NEEDS ("compare") },
  };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;

  print_forecast (steps, G_N_ELEMENTS (steps));
  if (!run_plan (steps, G_N_ELEMENTS (steps), 0, on_plan_done, loop, &error)) {
    g_printerr ("This plan can not be run: %s\n", error->message);
    return 1;
  }
  g_main_loop_run (loop);
  return 0;
}
