// mistake: quadratic
// A list that is kept sorted is always sorted: what could cost less?
#include "plan.h"

/* ---------- one step ---------- */
struct running { const char *name; guint seconds; StepDone done; gpointer data; };

static gboolean
time_is_up (gpointer data)
{
  struct running *r = data;
  g_print ("[%s] finished after %u seconds\n", r->name, r->seconds);
  r->done (r->data);
  return FALSE;
}

void
run_step (const char *name, guint seconds, StepDone done, gpointer user_data)
{
  struct running *r = g_new (struct running, 1);
  r->name = name;
  r->seconds = seconds;
  r->done = done;
  r->data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, time_is_up, r, g_free);
}

/* ---------- lists: who is needed by whom; a depth-first search for cycles first ---------- */
typedef struct {
  gsize at;
  const char *label;
  guint duration;
  GSList *needs;     /* of Item* */
  GSList *unlocks;   /* of Item* */
  gsize n_needs;
  guint64 urgency;
  int colour;        /* 0 white, 1 grey, 2 black */
} Item;

typedef struct {
  GPtrArray *items;
  GQueue order;
} Net;

static void
item_free (gpointer data)
{
  Item *item = data;
  g_slist_free (item->needs);
  g_slist_free (item->unlocks);
  g_slice_free (Item, item);
}

static void
net_free (Net *net)
{
  g_queue_clear (&net->order);
  g_ptr_array_unref (net->items);
  g_slice_free (Net, net);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Net, net_free)

static gint
place_in_plan (gconstpointer a, gconstpointer b, gpointer unused)
{
  gsize x = ((const Item *) a)->at, y = ((const Item *) b)->at;
  return x < y ? -1 : x > y ? 1 : 0;
}

static gint
most_urgent (gconstpointer a, gconstpointer b, gpointer unused)
{
  guint64 x = ((const Item *) a)->urgency, y = ((const Item *) b)->urgency;
  return x > y ? -1 : x < y ? 1 : place_in_plan (a, b, NULL);
}

static Item *
take_first (GSequence *ready)
{
  if (g_sequence_is_empty (ready))
    return NULL;
  GSequenceIter *it = g_sequence_get_begin_iter (ready);
  Item *item = g_sequence_get (it);
  g_sequence_remove (it);
  return item;
}

/* An explicit stack: frames of (item, where we are in its needs). */
typedef struct { Item *item; GSList *next; } Frame;

static gboolean
has_cycle (Net *net, GError **error)
{
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (Frame));

  for (guint i = 0; i < net->items->len; i++) {
    Item *root = g_ptr_array_index (net->items, i);
    if (root->colour != 0)
      continue;
    root->colour = 1;
    Frame begin = { root, root->needs };
    g_array_append_val (stack, begin);
    while (stack->len > 0) {
      Frame *top = &g_array_index (stack, Frame, stack->len - 1);
      if (top->next == NULL) {
        top->item->colour = 2;
        g_array_set_size (stack, stack->len - 1);
        continue;
      }
      Item *need = top->next->data;
      top->next = top->next->next;
      if (need->colour == 1) {
        GString *text = g_string_new (need->label);
        guint k = stack->len;
        while (g_array_index (stack, Frame, k - 1).item != need)
          k--;
        for (; k < stack->len; k++)
          g_string_append_printf (text, " needs %s", g_array_index (stack, Frame, k).item->label);
        g_string_append_printf (text, " needs %s", need->label);
        g_set_error_literal (error, PLAN_ERROR, PLAN_ERROR_CYCLE, text->str);
        g_string_free (text, TRUE);
        return TRUE;
      }
      if (need->colour == 0) {
        need->colour = 1;
        Frame frame = { need, need->needs };
        g_array_append_val (stack, frame);
      }
    }
  }
  return FALSE;
}

static Net *
net_load (const Step *steps, gsize n, GError **error)
{
  g_autoptr (Net) net = g_slice_new0 (Net);
  g_autoptr (GHashTable) catalogue = g_hash_table_new (g_str_hash, g_str_equal);

  net->items = g_ptr_array_new_with_free_func (item_free);
  g_queue_init (&net->order);
  for (const Step *s = steps; s < steps + n; s++) {
    Item *item = g_slice_new0 (Item);
    item->at = s - steps;
    item->label = s->name;
    item->duration = s->seconds;
    g_ptr_array_add (net->items, item);
    if (!g_hash_table_add (catalogue, (gpointer) s->name)) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME, "there are two steps named %s", s->name);
      return NULL;
    }
    g_hash_table_replace (catalogue, (gpointer) s->name, item);
  }
  for (gsize i = 0; i < n; i++) {
    Item *item = g_ptr_array_index (net->items, i);
    g_autoptr (GHashTable) once = g_hash_table_new (NULL, NULL);
    for (const char *const *need = steps[i].needs; need != NULL && *need != NULL; need++) {
      Item *other = g_hash_table_lookup (catalogue, *need);
      if (other == NULL) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED, "%s needs %s, which nobody knows", item->label, *need);
        return NULL;
      }
      if (other == item) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "%s needs itself", item->label);
        return NULL;
      }
      if (!g_hash_table_add (once, other))
        continue;
      item->n_needs++;
      item->needs = g_slist_prepend (item->needs, other);
      other->unlocks = g_slist_prepend (other->unlocks, item);
    }
  }
  if (has_cycle (net, error))
    return NULL;

  g_autoptr (GSequence) ready = g_sequence_new (NULL);
  g_autofree gsize *waits = g_new0 (gsize, n);
  for (gsize i = 0; i < n; i++) {
    Item *item = g_ptr_array_index (net->items, i);
    waits[i] = item->n_needs;
    if (waits[i] == 0)
      g_sequence_insert_sorted (ready, item, place_in_plan, NULL);
  }
  Item *item;
  while ((item = take_first (ready))) {
    g_queue_push_tail (&net->order, item);
    for (GSList *l = item->unlocks; l; l = l->next)
      if (--waits[((Item *) l->data)->at] == 0)
        g_sequence_insert_sorted (ready, l->data, place_in_plan, NULL);
  }
  for (GList *l = net->order.tail; l; l = l->prev) {
    item = l->data;
    for (GSList *u = item->unlocks; u; u = u->next)
      item->urgency = MAX (item->urgency, ((Item *) u->data)->urgency);
    item->urgency += item->duration;
  }
  return g_steal_pointer (&net);
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (Net) net = net_load (steps, n_steps, error);
  g_autoptr (GArray) order = NULL;

  if (net != NULL) {
    order = g_array_new (FALSE, FALSE, sizeof (gsize));
    for (GList *l = net->order.head; l; l = l->next)
      g_array_append_val (order, ((Item *) l->data)->at);
  }
  return g_steal_pointer (&order);
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  g_autoptr (Net) net = net_load (steps, n_steps, error);
  GArray *path;
  Item *best = NULL;

  if (net == NULL)
    return NULL;
  path = g_array_new (FALSE, FALSE, sizeof (gsize));
  for (GList *l = net->order.head; l; l = l->next)
    if (!best || ((Item *) l->data)->urgency > best->urgency)
      best = l->data;
  *makespan_s = best ? best->urgency : 0;
  while (best) {
    Item *next = NULL;
    g_array_append_val (path, best->at);
    for (GSList *u = best->unlocks; u; u = u->next)
      if (!next || ((Item *) u->data)->urgency > next->urgency)
        next = u->data;
    best = next;
  }
  return path;
}

/* ---------- the run: a set of those who are under way; empty means done ---------- */
typedef struct {
  Net *net;
  GList *ready;
  GHashTable *under_way;    /* of Item* */
  GHashTable *starts, *ends; /* Item* -> gint64* */
  gint64 zero;
  guint limit;
  PlanDone done;
  gpointer user_data;
} Run;

typedef struct { Run *run; Item *item; } Pair;

static void
note_time (Run *run, GHashTable *table, Item *item)
{
  gint64 *ms = g_new (gint64, 1);
  *ms = (g_get_monotonic_time () - run->zero) / 1000;
  g_hash_table_insert (table, item, ms);
}

static gboolean
tell (gpointer data)
{
  Run *run = data;
  guint n = run->net->items->len;
  g_autofree StepTimes *times = g_new (StepTimes, n);

  for (guint i = 0; i < n; i++) {
    Item *item = g_ptr_array_index (run->net->items, i);
    times[i].name = item->label;
    times[i].start_ms = *(gint64 *) g_hash_table_lookup (run->starts, item);
    times[i].end_ms = *(gint64 *) g_hash_table_lookup (run->ends, item);
  }
  run->done (times, n, run->user_data);
  g_list_free (run->ready);
  g_hash_table_destroy (run->under_way);
  g_hash_table_destroy (run->starts);
  g_hash_table_destroy (run->ends);
  net_free (run->net);
  g_free (run);
  return G_SOURCE_REMOVE;
}

static void come_back (gpointer data);

static void
set_out (Run *run)
{
  while (run->ready != NULL &&
         (run->limit == 0 || g_hash_table_size (run->under_way) < run->limit)) {
    Pair *pair = g_new (Pair, 1);
    pair->run = run;
    pair->item = run->ready->data;
    run->ready = g_list_delete_link (run->ready, run->ready);
    g_hash_table_add (run->under_way, pair->item);
    note_time (run, run->starts, pair->item);
    run_step (pair->item->label, pair->item->duration, come_back, pair);
  }
}

static void
come_back (gpointer data)
{
  g_autofree Pair *pair = data;
  Run *run = pair->run;

  note_time (run, run->ends, pair->item);
  g_hash_table_remove (run->under_way, pair->item);
  for (GSList *l = pair->item->unlocks; l; l = l->next) {
    Item *next = l->data;
    if (--next->n_needs == 0)
      run->ready = g_list_insert_sorted_with_data (run->ready, next, most_urgent, NULL);
  }
  set_out (run);
  if (g_hash_table_size (run->under_way) == 0)
    tell (run);
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  Net *net = net_load (steps, n_steps, error);
  if (net == NULL)
    return FALSE;
  Run *run = g_new0 (Run, 1);
  run->net = net;
  run->under_way = g_hash_table_new (NULL, NULL);
  run->starts = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  run->ends = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  run->zero = g_get_monotonic_time ();
  run->limit = max_parallel;
  run->done = done;
  run->user_data = user_data;
  for (guint i = 0; i < net->items->len; i++) {
    Item *item = g_ptr_array_index (net->items, i);
    if (item->n_needs == 0)
      run->ready = g_list_insert_sorted_with_data (run->ready, item, most_urgent, NULL);
  }
  set_out (run);
  if (n_steps == 0)
    g_idle_add (tell, run);
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
