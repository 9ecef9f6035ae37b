// variant: each change of a step is noted with its time, whether or not it is used
// used.
#include <gio/gio.h>
#include "plan.h"

/* ---------- one step: a source of my own kind, ready at a moment ---------- */
typedef struct {
  GSource base;
  const char *name;
  guint seconds;
  StepDone done;
  gpointer data;
} StepSource;

static gboolean
step_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  StepSource *s = (StepSource *) source;
  g_print ("[%s] finished after %u seconds\n", s->name, s->seconds);
  s->done (s->data);
  return G_SOURCE_REMOVE;
}

static GSourceFuncs step_funcs = { .dispatch = step_dispatch };

void
run_step (const char *name, guint seconds, StepDone done, gpointer user_data)
{
  GSource *source = g_source_new (&step_funcs, sizeof (StepSource));
  StepSource *s = (StepSource *) source;

  s->name = name;
  s->seconds = seconds;
  s->done = done;
  s->data = user_data;
  g_print ("[%s] starting...\n", name);
  g_source_set_ready_time (source,
                           g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC);
  g_source_attach (source, NULL);
  g_source_unref (source);
}

/* ---------- the net: one Node per step, arrows are pointers ---------- */
typedef struct Node Node;
struct Node {
  gsize index;
  const char *name;
  guint64 seconds;
  GPtrArray *followers;
  gsize unmet;
  guint64 tail; /* seconds from the start of this step to the end of the plan */
  Node *heavy;  /* the follower with the largest tail */
  Node *blocker;
  gboolean seen;
};

typedef struct {
  gsize n;
  Node *nodes;
  GPtrArray *order; /* of Node* */
} Net;

typedef gboolean (*Before) (const Node *a, const Node *b);

static gboolean
earlier_in_plan (const Node *a, const Node *b)
{
  return a->index < b->index;
}

static gboolean
more_urgent (const Node *a, const Node *b)
{
  return a->tail > b->tail || (a->tail == b->tail && a->index < b->index);
}

/* A binary heap of nodes in a GPtrArray. */
static void
heap_push (GPtrArray *heap, Node *node, Before before)
{
  guint at = heap->len;

  g_ptr_array_add (heap, node);
  while (at > 0) {
    guint up = (at - 1) / 2;
    if (!before (node, heap->pdata[up]))
      break;
    heap->pdata[at] = heap->pdata[up];
    at = up;
  }
  heap->pdata[at] = node;
}

static Node *
heap_take (GPtrArray *heap, Before before)
{
  if (heap->len == 0)
    return NULL;
  Node *top = heap->pdata[0];
  Node *last = heap->pdata[heap->len - 1];
  guint at = 0;

  g_ptr_array_set_size (heap, heap->len - 1);
  while (2 * at + 1 < heap->len) {
    guint kid = 2 * at + 1;
    if (kid + 1 < heap->len && before (heap->pdata[kid + 1], heap->pdata[kid]))
      kid++;
    if (!before (heap->pdata[kid], last))
      break;
    heap->pdata[at] = heap->pdata[kid];
    at = kid;
  }
  if (heap->len > 0)
    heap->pdata[at] = last;
  return top;
}

static void
net_free (Net *net)
{
  for (gsize i = 0; i < net->n; i++)
    g_ptr_array_unref (net->nodes[i].followers);
  g_ptr_array_unref (net->order);
  g_free (net->nodes);
  g_free (net);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Net, net_free)

static void
blame_cycle (Net *net, GError **error)
{
  Node *node = NULL;

  for (gsize i = 0; i < net->n; i++) {
    Node *held = &net->nodes[i];
    if (held->seen)
      continue;
    node = held;
    for (guint k = 0; k < held->followers->len; k++)
      ((Node *) held->followers->pdata[k])->blocker = held;
  }
  while (!node->seen) {
    node->seen = TRUE;
    node = node->blocker;
  }
  g_autoptr (GString) text = g_string_new (node->name);
  Node *walk = node;
  do {
    walk = walk->blocker;
    g_string_append (text, " needs ");
    g_string_append (text, walk->name);
  } while (walk != node);
  g_set_error_literal (error, PLAN_ERROR, PLAN_ERROR_CYCLE, text->str);
}

static Net *
net_load (const Step *steps, gsize n, GError **error)
{
  g_autoptr (Net) net = g_new0 (Net, 1);
  g_autoptr (GHashTable) by_name = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GPtrArray) heap = g_ptr_array_new ();
  g_autofree gsize *count = g_new0 (gsize, n);

  net->n = n;
  net->nodes = g_new0 (Node, n);
  net->order = g_ptr_array_new ();
  for (gsize i = 0; i < n; i++) {
    net->nodes[i].index = i;
    net->nodes[i].name = steps[i].name;
    net->nodes[i].seconds = steps[i].seconds;
    net->nodes[i].followers = g_ptr_array_new ();
  }
  for (gsize i = 0; i < n; i++) {
    if (g_hash_table_contains (by_name, steps[i].name)) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME,
                   "the name %s is used twice", steps[i].name);
      return NULL;
    }
    g_hash_table_insert (by_name, (gpointer) steps[i].name, &net->nodes[i]);
  }
  for (gsize i = 0; i < n; i++) {
    Node *node = &net->nodes[i];
    for (gsize k = 0; steps[i].needs != NULL && steps[i].needs[k] != NULL; k++) {
      Node *need = g_hash_table_lookup (by_name, steps[i].needs[k]);
      if (need == NULL) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED,
                     "%s needs %s, but there is no such step", node->name,
                     steps[i].needs[k]);
        return NULL;
      }
      if (need == node) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "%s needs itself",
                     node->name);
        return NULL;
      }
      g_ptr_array_add (need->followers, node);
      node->unmet++;
    }
  }
  for (gsize i = 0; i < n; i++) {
    count[i] = net->nodes[i].unmet;
    if (count[i] == 0)
      heap_push (heap, &net->nodes[i], earlier_in_plan);
  }
  Node *node;
  while ((node = heap_take (heap, earlier_in_plan)) != NULL) {
    node->seen = TRUE;
    g_ptr_array_add (net->order, node);
    for (guint k = 0; k < node->followers->len; k++) {
      Node *next = node->followers->pdata[k];
      if (--count[next->index] == 0)
        heap_push (heap, next, earlier_in_plan);
    }
  }
  if (net->order->len < n) {
    blame_cycle (net, error);
    return NULL;
  }
  for (guint k = net->order->len; k-- > 0;) {
    node = net->order->pdata[k];
    for (guint j = 0; j < node->followers->len; j++) {
      Node *next = node->followers->pdata[j];
      if (node->heavy == NULL || next->tail > node->heavy->tail)
        node->heavy = next;
    }
    node->tail = node->seconds + (node->heavy ? node->heavy->tail : 0);
  }
  return g_steal_pointer (&net);
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (Net) net = net_load (steps, n_steps, error);
  if (!net)
    return NULL;
  GArray *out = g_array_sized_new (FALSE, FALSE, sizeof (gsize), n_steps);
  for (guint k = 0; k < net->order->len; k++) {
    Node *node = net->order->pdata[k];
    g_array_append_val (out, node->index);
  }
  return out;
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  g_autoptr (Net) net = net_load (steps, n_steps, error);
  if (!net)
    return NULL;
  GArray *out = g_array_new (FALSE, FALSE, sizeof (gsize));
  Node *best = NULL;
  for (gsize i = 0; i < net->n; i++)
    if (best == NULL || net->nodes[i].tail > best->tail)
      best = &net->nodes[i];
  *makespan_s = best ? best->tail : 0;
  for (Node *node = best; node != NULL; node = node->heavy)
    g_array_append_val (out, node->index);
  return out;
}

/* ---------- the run: a state machine that is fed with events ---------- */
typedef enum { WAITING, READY, RUNNING, FINISHED } State;
typedef enum { BEGIN, STEP_ENDED } Kind;
typedef struct Machine Machine;
typedef struct {
  Machine *machine;
  gsize at;
  State state;
  gsize missing;
} Cog;
struct Machine {
  Net *net;
  Cog *cogs;
  GPtrArray *heap;
  gsize count[FINISHED + 1];
  gsize limit;
  gint64 origin;
  StepTimes *times;
  PlanDone done;
  gpointer user_data;
};

static void machine_feed (Machine *m, Kind kind, Cog *cog);

static void
cog_enter (Machine *m, Cog *cog, State state)
{
  gint64 ms = (g_get_monotonic_time () - m->origin) / 1000;

  m->count[cog->state]--;
  m->count[cog->state = state]++;
  switch (state) {
  case READY:
    heap_push (m->heap, &m->net->nodes[cog->at], more_urgent);
    break;
  case RUNNING:
    m->times[cog->at].start_ms = ms;
    break;
  case FINISHED:
    m->times[cog->at].end_ms = ms;
    break;
  default:
    g_assert_not_reached ();
  }
}

static void
step_ended (gpointer data)
{
  Cog *cog = data;
  machine_feed (cog->machine, STEP_ENDED, cog);
}

static void
machine_stop (Machine *m)
{
  m->done (m->times, m->net->n, m->user_data);
  g_clear_pointer (&m->heap, g_ptr_array_unref);
  g_clear_pointer (&m->cogs, g_free);
  g_clear_pointer (&m->times, g_free);
  g_clear_pointer (&m->net, net_free);
  g_free (m);
}

static void
machine_feed (Machine *m, Kind kind, Cog *cog)
{
  if (kind == STEP_ENDED) {
    cog_enter (m, cog, FINISHED);
    GPtrArray *followers = m->net->nodes[cog->at].followers;
    for (guint k = 0; k < followers->len; k++) {
      Cog *next = &m->cogs[((Node *) followers->pdata[k])->index];
      next->missing--;
      if (next->missing == 0)
        cog_enter (m, next, READY);
    }
  }
  while (m->count[READY] > 0 && m->count[RUNNING] < m->limit) {
    Node *node = heap_take (m->heap, more_urgent);
    Cog *next = &m->cogs[node->index];
    cog_enter (m, next, RUNNING);
    run_step (node->name, (guint) node->seconds, step_ended, next);
  }
  if (kind == STEP_ENDED && m->count[FINISHED] == m->net->n)
    machine_stop (m);
}

static gboolean
machine_stop_later (gpointer data)
{
  machine_stop (data);
  return G_SOURCE_REMOVE;
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  Net *net = net_load (steps, n_steps, error);
  if (net == NULL)
    return FALSE;
  Machine *m = g_new0 (Machine, 1);
  m->net = net;
  m->cogs = g_new0 (Cog, n_steps);
  m->heap = g_ptr_array_sized_new (n_steps);
  m->times = g_new0 (StepTimes, n_steps);
  m->limit = max_parallel == 0 ? G_MAXSIZE : max_parallel;
  m->origin = g_get_monotonic_time ();
  m->done = done;
  m->user_data = user_data;
  m->count[WAITING] = n_steps;
  for (gsize i = 0; i < n_steps; i++) {
    m->cogs[i] = (Cog){ m, i, WAITING, net->nodes[i].unmet };
    m->times[i].name = net->nodes[i].name;
    if (m->cogs[i].missing == 0)
      cog_enter (m, &m->cogs[i], READY);
  }
  machine_feed (m, BEGIN, NULL);
  if (n_steps == 0) {
    GSource *source = g_idle_source_new ();
    g_source_set_callback (source, machine_stop_later, m, NULL);
    g_source_attach (source, NULL);
    g_source_unref (source);
  }
  return TRUE;
}

/* ---------- main ---------- */
static void
forecast (const Step *steps, gsize n)
{
  guint64 sum = 0, makespan = 0;
  g_autoptr (GArray) path = plan_critical_path (steps, n, &makespan, NULL);
  g_autoptr (GString) line = g_string_new ("");

  if (!path)
    return;
  for (gsize i = 0; i < n; i++)
    sum += steps[i].seconds;
  for (guint k = 0; k < path->len; k++) {
    if (k > 0)
      g_string_append (line, " -> ");
    g_string_append (line, steps[g_array_index (path, gsize, k)].name);
  }
  g_print ("One after another: %" G_GUINT64_FORMAT " s\n", sum);
  g_print ("Critical path: %" G_GUINT64_FORMAT " s, %s\n", makespan, line->str);
}

static void
finished (const StepTimes *times, gsize n, gpointer user_data)
{
  gint64 last = 0;
  for (gsize i = 0; i < n; i++)
    if (times[i].end_ms > last)
      last = times[i].end_ms;
  g_print ("All done: %" G_GSIZE_FORMAT " steps in %.0f s\n", n, last / 1000.0);
  g_main_loop_quit (user_data);
}

int
main (void)
{
  const Step agent[] = {
    { "ask_model", 1, NULL },
    { "search_web", 1, NEEDS ("ask_model") },
    { "search_papers", 2, NEEDS ("ask_model") },
    { "fetch_page", 4, NEEDS ("search_web") },
    { "fetch_data", 2, NEEDS ("search_web") },
    { "read_papers", 2, NEEDS ("search_papers") },
    { "compare", 1, NEEDS ("fetch_page", "fetch_data", "read_papers") },
    { "write_answer", 1, NEEDS ("compare") },
  };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  GError *error = NULL;
  int status = 0;

  forecast (agent, G_N_ELEMENTS (agent));
  if (run_plan (agent, G_N_ELEMENTS (agent), 0, finished, loop, &error)) {
    g_main_loop_run (loop);
  } else {
    g_printerr ("%s\n", error->message);
    g_error_free (error);
    status = 1;
  }
  g_main_loop_unref (loop);
  return status;
}
