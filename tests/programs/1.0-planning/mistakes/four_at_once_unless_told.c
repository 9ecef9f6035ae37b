// mistake: zero-is-no-limit
// "If nobody says how many, four is a reasonable number."
#include <gio/gio.h>
#include "plan.h"

/* Nodes that point at each other; what is ready is a GTree ordered by urgency. */

typedef struct _Project Project;
typedef struct _Node Node;

struct _Node {
  Project *project;
  gsize index;
  guint seconds;
  guint64 rest;
  gsize missing;
  GPtrArray *befores; /* Node */
  GPtrArray *afters;  /* Node */
};

struct _Project {
  GPtrArray *nodes;
  GPtrArray *sequence; /* Node, in order */
  GTree *ready;
  GArray *times;
  guint free_places;
  gsize to_do;
  gint64 began;
  PlanDone done;
  gpointer done_data;
};

static void
node_free (gpointer data)
{
  Node *node = data;
  g_ptr_array_unref (node->befores);
  g_ptr_array_unref (node->afters);
  g_slice_free (Node, node);
}

static void
project_free (Project *p)
{
  g_clear_pointer (&p->nodes, g_ptr_array_unref);
  g_clear_pointer (&p->sequence, g_ptr_array_unref);
  g_clear_pointer (&p->ready, g_tree_unref);
  g_clear_pointer (&p->times, g_array_unref);
  g_slice_free (Project, p);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Project, project_free)

static gint
by_place (gconstpointer a, gconstpointer b, gpointer unused)
{
  const Node *x = a, *y = b;
  return (x->index > y->index) - (x->index < y->index);
}

static gint
by_urgency (gconstpointer a, gconstpointer b, gpointer unused)
{
  const Node *x = a, *y = b;
  if (x->rest != y->rest)
    return x->rest < y->rest ? 1 : -1;
  return by_place (a, b, unused);
}

static Node *
take_first (GTree *tree)
{
  GTreeNode *first = g_tree_node_first (tree);
  if (first == NULL)
    return NULL;
  Node *node = g_tree_node_key (first);
  g_tree_remove (tree, node);
  return node;
}

static void
release_afters (Node *node, GTree *tree)
{
  for (guint i = 0; i < node->afters->len; i++) {
    Node *after = node->afters->pdata[i];
    after->missing -= 1;
    if (after->missing == 0)
      g_tree_insert (tree, after, after);
  }
}

static char *
describe_cycle (Project *p, const Step *steps)
{
  /* missing > 0 says: left over */
  g_autoptr (GHashTable) trail = g_hash_table_new (NULL, NULL);
  GString *s = g_string_new ("");
  Node *walker = NULL;

  for (guint i = 0; walker == NULL; i++)
    if (((Node *) p->nodes->pdata[i])->missing > 0)
      walker = p->nodes->pdata[i];

  while (!g_hash_table_contains (trail, walker)) {
    Node *needed = NULL;
    for (guint i = 0; needed == NULL; i++)
      if (((Node *) walker->befores->pdata[i])->missing > 0)
        needed = walker->befores->pdata[i];
    g_hash_table_insert (trail, walker, needed);
    walker = needed;
  }
  Node *start = walker;
  g_string_append (s, steps[start->index].name);
  do {
    walker = g_hash_table_lookup (trail, walker);
    g_string_append (s, " needs ");
    g_string_append (s, steps[walker->index].name);
  } while (walker != start);
  return g_string_free (s, FALSE);
}

static Project *
project_new (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (Project) p = g_slice_new0 (Project);
  g_autoptr (GHashTable) nodes = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GTree) ready = g_tree_new_with_data (by_place, NULL);
  Node *node;

  p->nodes = g_ptr_array_new_with_free_func (node_free);
  p->sequence = g_ptr_array_new ();
  for (gsize i = 0; i < n_steps; i++) {
    if (g_hash_table_lookup (nodes, steps[i].name)) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME, "There is more than one '%s'", steps[i].name);
      return NULL;
    }
    node = g_slice_new0 (Node);
    node->index = i;
    node->seconds = steps[i].seconds;
    node->project = p;
    node->befores = g_ptr_array_new ();
    node->afters = g_ptr_array_new ();
    g_ptr_array_add (p->nodes, node);
    g_hash_table_insert (nodes, (gpointer) steps[i].name, node);
  }
  for (gsize i = 0; i < n_steps; i++) {
    node = p->nodes->pdata[i];
    for (const char *const *need = steps[i].needs; need != NULL && *need != NULL; need++) {
      Node *before = g_hash_table_lookup (nodes, *need);
      if (before == NULL) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED, "'%s' wants '%s', which does not exist", steps[i].name, *need);
        return NULL;
      }
      if (before == node) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "'%s' wants itself", steps[i].name);
        return NULL;
      }
      g_ptr_array_add (node->befores, before);
      g_ptr_array_add (before->afters, node);
      node->missing++;
    }
    if (node->missing == 0)
      g_tree_insert (ready, node, node);
  }
  while ((node = take_first (ready))) {
    g_ptr_array_add (p->sequence, node);
    release_afters (node, ready);
  }
  if (p->sequence->len < n_steps) {
    g_autofree char *text = describe_cycle (p, steps);
    g_set_error_literal (error, PLAN_ERROR, PLAN_ERROR_CYCLE, text);
    return NULL;
  }
  for (guint i = n_steps; i > 0; i--) {
    guint64 longest = 0;
    node = p->sequence->pdata[i - 1];
    for (guint k = 0; k < node->afters->len; k++)
      longest = MAX (longest, ((Node *) node->afters->pdata[k])->rest);
    node->rest = node->seconds + longest;
  }
  return g_steal_pointer (&p);
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (Project) p = project_new (steps, n_steps, error);
  if (p == NULL)
    return NULL;
  GArray *a = g_array_new (FALSE, FALSE, sizeof (gsize));
  for (guint i = 0; i < p->sequence->len; i++)
    g_array_append_val (a, ((Node *) p->sequence->pdata[i])->index);
  return a;
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  g_autoptr (Project) p = project_new (steps, n_steps, error);
  if (p == NULL)
    return NULL;

  GArray *a = g_array_new (FALSE, FALSE, sizeof (gsize));
  GPtrArray *choice = p->nodes;
  *makespan_s = 0;
  while (choice->len > 0) {
    Node *best = choice->pdata[0];
    for (guint i = 1; i < choice->len; i++)
      if (((Node *) choice->pdata[i])->rest > best->rest)
        best = choice->pdata[i];
    *makespan_s += best->seconds;
    g_array_append_val (a, best->index);
    choice = best->afters;
  }
  return a;
}

/* ---- */

typedef struct {
  const char *name;
  guint seconds;
  StepDone done;
  gpointer user_data;
} Wait;

static gboolean
wait_is_over (Wait *w)
{
  g_print ("[%s] finished after %u seconds\n", w->name, w->seconds);
  w->done (w->user_data);
  return G_SOURCE_REMOVE;
}

void
run_step (const char *name, guint seconds, StepDone done, gpointer user_data)
{
  Wait w = { name, seconds, done, user_data };
  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, G_SOURCE_FUNC (wait_is_over), g_memdup2 (&w, sizeof w), g_free);
}

#define DEFAULT_PLACES 4

static gint64
clock_of (Project *p)
{
  return (g_get_monotonic_time () - p->began) / 1000;
}

static gboolean
say_done (gpointer data)
{
  g_autoptr (Project) p = data;
  p->done ((StepTimes *) p->times->data, p->times->len, p->done_data);
  return G_SOURCE_REMOVE;
}

static void node_done (gpointer data);

static void
fill_places (Project *p)
{
  Node *node;
  while (p->free_places > 0 && (node = take_first (p->ready))) {
    StepTimes *t = &g_array_index (p->times, StepTimes, node->index);
    t->start_ms = clock_of (p);
    p->free_places--;
    run_step (t->name, node->seconds, node_done, node);
  }
}

static void
node_done (gpointer data)
{
  Node *node = data;
  Project *p = node->project;

  g_array_index (p->times, StepTimes, node->index).end_ms = clock_of (p);
  p->free_places++;
  p->to_do--;
  release_afters (node, p->ready);
  fill_places (p);
  if (p->to_do == 0)
    say_done (p);
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  Project *p = project_new (steps, n_steps, error);
  if (p == NULL)
    return FALSE;

  p->began = g_get_monotonic_time ();
  p->done = done;
  p->done_data = user_data;
  p->to_do = n_steps;
  p->free_places = max_parallel ? max_parallel : DEFAULT_PLACES;
  p->ready = g_tree_new_with_data (by_urgency, NULL);
  p->times = g_array_new (FALSE, TRUE, sizeof (StepTimes));
  g_array_set_size (p->times, n_steps);
  for (gsize i = 0; i < n_steps; i++) {
    Node *node = p->nodes->pdata[i];
    g_array_index (p->times, StepTimes, i).name = steps[i].name;
    node->missing = node->befores->len;
    if (node->missing == 0)
      g_tree_insert (p->ready, node, node);
  }
  if (n_steps > 0)
    fill_places (p);
  else
    g_idle_add_full (G_PRIORITY_DEFAULT, say_done, p, NULL);
  return TRUE;
}

/* ---- */

static void
finished (const StepTimes *times, gsize n_times, gpointer user_data)
{
  gint64 end = 0;
  for (const StepTimes *t = times; t < times + n_times; t++)
    end = MAX (end, t->end_ms);
  g_print ("All done: %" G_GSIZE_FORMAT " steps in %.0f s\n", n_times, end / 1000.0);
  g_main_loop_quit (*(GMainLoop **) user_data);
}

int
main (int argc, char **argv)
{
  Step steps[] = {
    { "ask_model", 1, (const char *const[]){ NULL } },
    { "search_web", 1, NEEDS ("ask_model") },
    { "search_papers", 2, NEEDS ("ask_model") },
    { "fetch_page", 4, NEEDS ("search_web") },
    { "fetch_data", 2, NEEDS ("search_web") },
    { "read_papers", 2, NEEDS ("search_papers") },
    { "compare", 1, NEEDS ("fetch_page", "fetch_data", "read_papers") },
    { "write_answer", 1, NEEDS ("compare") },
  };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GString) line = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  guint64 together = 0, longest;
  g_autoptr (GArray) path = plan_critical_path (steps, G_N_ELEMENTS (steps), &longest, &error);

  if (!path) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  for (const Step *s = steps; s < steps + G_N_ELEMENTS (steps); s++)
    together += s->seconds;
  for (guint i = 0; i < path->len; i++)
    g_string_append_printf (line, "%s%s", i ? " -> " : "", steps[g_array_index (path, gsize, i)].name);
  g_print ("One after another: %lu s\n", (gulong) together);
  g_print ("Critical path: %lu s, %s\n", (gulong) longest, line->str);

  if (!run_plan (steps, G_N_ELEMENTS (steps), 0, finished, &loop, &error)) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  g_main_loop_run (loop);
  return 0;
}
