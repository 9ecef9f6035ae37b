// mistake: uses-threads
// "Steps that run at the same time need threads."
#include "plan.h"

#include <stdio.h>

/* ---------- nodes ---------- */

typedef struct Job Job;

typedef struct {
  const char *name;
  guint seconds;
  gsize pos;
  gsize waiting;    /* needs that are not done */
  GPtrArray *after; /* Node*: who needs me */
  guint64 left;     /* seconds from my start to the end of the plan */
  gboolean taken;
  Job *job;
} Node;

static void
nodes_free (Node *nodes, gsize n)
{
  for (gsize i = 0; i < n; i++)
    g_ptr_array_unref (nodes[i].after);
  g_free (nodes);
}

static gboolean
connect_nodes (Node *nodes, const Step *steps, gsize n, GError **error)
{
  g_autoptr (GHashTable) by_name = g_hash_table_new (g_str_hash, g_str_equal);

  for (gsize i = 0; i < n; i++) {
    if (g_hash_table_contains (by_name, steps[i].name)) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME, "%s is there twice",
                   steps[i].name);
      return FALSE;
    }
    g_hash_table_insert (by_name, (gpointer) steps[i].name, &nodes[i]);
  }
  for (gsize i = 0; i < n; i++) {
    for (gsize k = 0; steps[i].needs != NULL && steps[i].needs[k] != NULL; k++) {
      Node *need = g_hash_table_lookup (by_name, steps[i].needs[k]);
      if (need == NULL) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED,
                     "%s needs %s, but there is no such step", steps[i].name,
                     steps[i].needs[k]);
        return FALSE;
      }
      if (need == &nodes[i]) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "%s needs itself",
                     steps[i].name);
        return FALSE;
      }
      g_ptr_array_add (need->after, &nodes[i]);
      nodes[i].waiting++;
    }
  }
  return TRUE;
}

/* ---------- a heap of nodes that may start ---------- */

typedef struct {
  GPtrArray *items;
  gboolean urgent_first; /* else: as in the plan */
} Heap;

static gboolean
goes_first (const Heap *heap, const Node *a, const Node *b)
{
  if (heap->urgent_first && a->left != b->left)
    return a->left > b->left;
  return a->pos < b->pos;
}

static void
heap_swap (Heap *heap, guint a, guint b)
{
  gpointer item = heap->items->pdata[a];

  heap->items->pdata[a] = heap->items->pdata[b];
  heap->items->pdata[b] = item;
}

static void
heap_push (Heap *heap, Node *node)
{
  guint at = heap->items->len;

  g_ptr_array_add (heap->items, node);
  while (at > 0 &&
         goes_first (heap, heap->items->pdata[at], heap->items->pdata[(at - 1) / 2])) {
    heap_swap (heap, at, (at - 1) / 2);
    at = (at - 1) / 2;
  }
}

static Node *
heap_pop (Heap *heap)
{
  GPtrArray *items = heap->items;
  guint at = 0;

  if (items->len == 0)
    return NULL;
  heap_swap (heap, 0, items->len - 1);
  Node *best = g_ptr_array_remove_index (items, items->len - 1);
  for (;;) {
    guint child = 2 * at + 1;
    if (child >= items->len)
      return best;
    if (child + 1 < items->len &&
        goes_first (heap, items->pdata[child + 1], items->pdata[child]))
      child++;
    if (!goes_first (heap, items->pdata[child], items->pdata[at]))
      return best;
    heap_swap (heap, child, at);
    at = child;
  }
}

static void
node_done (Heap *heap, Node *node)
{
  for (guint k = 0; k < node->after->len; k++) {
    Node *next = node->after->pdata[k];
    next->waiting--;
    if (next->waiting == 0)
      heap_push (heap, next);
  }
}

/* ---------- order ---------- */

static void
name_the_cycle (Node *nodes, gsize n, GError **error)
{
  g_autofree Node **because = g_new0 (Node *, n);
  g_autofree gboolean *been = g_new0 (gboolean, n);
  g_autoptr (GPtrArray) way = g_ptr_array_new ();
  Node *node = NULL;

  for (gsize i = 0; i < n; i++)
    if (!nodes[i].taken)
      for (guint k = 0; k < nodes[i].after->len; k++) {
        node = nodes[i].after->pdata[k];
        because[node->pos] = &nodes[i];
      }
  while (!been[node->pos]) {
    been[node->pos] = TRUE;
    node = because[node->pos];
  }
  Node *first = node;
  do {
    g_ptr_array_add (way, (gpointer) node->name);
    node = because[node->pos];
  } while (node != first);
  g_ptr_array_add (way, (gpointer) first->name);
  g_ptr_array_add (way, NULL);
  g_autofree char *text = g_strjoinv (" needs ", (char **) way->pdata);
  g_set_error (error, PLAN_ERROR, PLAN_ERROR_CYCLE, "%s", text);
}

/* Puts the nodes into an order; NULL if there is none. */
static GArray *
sort_nodes (Node *nodes, gsize n, GError **error)
{
  GArray *order = g_array_new (FALSE, FALSE, sizeof (gsize));
  Heap heap = { g_ptr_array_new (), FALSE };
  g_autofree gsize *saved = g_new (gsize, n);
  Node *node;

  for (gsize i = 0; i < n; i++) {
    saved[i] = nodes[i].waiting;
    if (nodes[i].waiting == 0)
      heap_push (&heap, &nodes[i]);
  }
  while ((node = heap_pop (&heap)) != NULL) {
    node->taken = TRUE;
    g_array_append_val (order, node->pos);
    node_done (&heap, node);
  }
  g_ptr_array_unref (heap.items);
  for (gsize i = 0; i < n; i++)
    nodes[i].waiting = saved[i];
  if (order->len == n)
    return order;
  name_the_cycle (nodes, n, error);
  g_array_unref (order);
  return NULL;
}

static Node *
longest_after (const Node *node)
{
  Node *longest = NULL;

  for (guint k = 0; k < node->after->len; k++) {
    Node *next = node->after->pdata[k];
    if (longest == NULL || next->left > longest->left)
      longest = next;
  }
  return longest;
}

/* Nodes with all that can be known before anything runs; NULL if the plan is bad. */
static Node *
nodes_of_plan (const Step *steps, gsize n, GArray **order, GError **error)
{
  Node *nodes = g_new0 (Node, n + 1);

  for (gsize i = 0; i < n; i++) {
    nodes[i].name = steps[i].name;
    nodes[i].seconds = steps[i].seconds;
    nodes[i].pos = i;
    nodes[i].after = g_ptr_array_new ();
  }
  *order = NULL;
  if (connect_nodes (nodes, steps, n, error))
    *order = sort_nodes (nodes, n, error);
  if (*order == NULL) {
    nodes_free (nodes, n);
    return NULL;
  }
  for (gsize k = n; k > 0; k--) {
    Node *node = &nodes[g_array_index (*order, gsize, k - 1)];
    Node *next = longest_after (node);
    node->left = node->seconds + (next != NULL ? next->left : 0);
  }
  return nodes;
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  GArray *order;
  Node *nodes = nodes_of_plan (steps, n_steps, &order, error);

  if (nodes != NULL)
    nodes_free (nodes, n_steps);
  return order;
}

/* ---------- critical path ---------- */

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  g_autoptr (GArray) order = NULL;
  Node *nodes = nodes_of_plan (steps, n_steps, &order, error);
  Node *longest = NULL;

  if (nodes == NULL)
    return NULL;

  GArray *path = g_array_new (FALSE, FALSE, sizeof (gsize));
  for (gsize i = 0; i < n_steps; i++)
    if (longest == NULL || nodes[i].left > longest->left)
      longest = &nodes[i];
  *makespan_s = longest != NULL ? longest->left : 0;
  for (Node *node = longest; node != NULL; node = longest_after (node))
    g_array_append_val (path, node->pos);
  nodes_free (nodes, n_steps);
  return path;
}

/* ---------- run ---------- */

struct Job {
  Node *nodes;
  gsize n;
  Heap heap;
  StepTimes *times;
  gint64 t0;
  guint limit;
  guint running;
  gsize todo;
  PlanDone done;
  gpointer user_data;
};

static gint64
job_ms (Job *job)
{
  return (g_get_monotonic_time () - job->t0) / 1000;
}

static gboolean
job_end (gpointer data)
{
  Job *job = data;

  job->done (job->times, job->n, job->user_data);
  g_ptr_array_unref (job->heap.items);
  nodes_free (job->nodes, job->n);
  g_free (job->times);
  g_free (job);
  return FALSE;
}

static gboolean node_timeout (gpointer data);

static gpointer
node_thread (gpointer data)
{
  Node *node = data;

  g_usleep (node->seconds * G_USEC_PER_SEC);
  g_idle_add (node_timeout, node);
  return NULL;
}

static void
job_start_ready (Job *job)
{
  while (job->limit == 0 || job->running < job->limit) {
    Node *node = heap_pop (&job->heap);
    if (node == NULL)
      break;
    job->running++;
    job->times[node->pos].start_ms = job_ms (job);
    printf ("[%s] starting...\n", node->name);
    fflush (stdout);
    g_thread_unref (g_thread_new ("step", node_thread, node));
  }
}

static gboolean
node_timeout (gpointer data)
{
  Node *node = data;
  Job *job = node->job;

  printf ("[%s] finished after %u seconds\n", node->name, node->seconds);
  fflush (stdout);
  job->times[node->pos].end_ms = job_ms (job);
  job->running--;
  job->todo--;
  node_done (&job->heap, node);
  job_start_ready (job);
  if (job->todo == 0)
    job_end (job);
  return FALSE;
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  g_autoptr (GArray) order = NULL;
  Node *nodes = nodes_of_plan (steps, n_steps, &order, error);

  if (nodes == NULL)
    return FALSE;

  Job *job = g_new0 (Job, 1);
  job->nodes = nodes;
  job->n = n_steps;
  job->heap.items = g_ptr_array_new ();
  job->heap.urgent_first = TRUE;
  job->times = g_new0 (StepTimes, n_steps + 1);
  job->t0 = g_get_monotonic_time ();
  job->limit = max_parallel;
  job->todo = n_steps;
  job->done = done;
  job->user_data = user_data;
  for (gsize i = 0; i < n_steps; i++) {
    nodes[i].job = job;
    job->times[i].name = nodes[i].name;
    if (nodes[i].waiting == 0)
      heap_push (&job->heap, &nodes[i]);
  }
  job_start_ready (job);
  if (n_steps == 0)
    g_idle_add (job_end, job);
  return TRUE;
}

/* ---------- main ---------- */

static void
finished (const StepTimes *times, gsize n_times, gpointer user_data)
{
  gint64 last = 0;

  for (gsize i = 0; i < n_times; i++)
    if (times[i].end_ms > last)
      last = times[i].end_ms;
  printf ("All done: %zu steps in %d s\n", n_times, (int) ((last + 500) / 1000));
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
  gsize n = G_N_ELEMENTS (steps);
  guint sum = 0;
  guint64 makespan;
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  for (gsize i = 0; i < n; i++)
    sum += steps[i].seconds;
  printf ("One after another: %u s\n", sum);
  GArray *path = plan_critical_path (steps, n, &makespan, NULL);
  if (path == NULL)
    return 1;
  printf ("Critical path: %d s, ", (int) makespan);
  for (guint k = 0; k < path->len; k++)
    printf ("%s%s", k > 0 ? " -> " : "", steps[g_array_index (path, gsize, k)].name);
  printf ("\n");
  fflush (stdout);
  g_array_unref (path);
  if (!run_plan (steps, n, 0, finished, loop, NULL))
    return 1;
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
