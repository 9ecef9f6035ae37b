// mistake: glib-critical
/* plan.c - steps as numbers, arrows in one flat array, a binary heap for who is ready. */
#include "plan.h"

#include <gio/gio.h>

struct timer {
  const char *name;
  guint secs;
  StepDone cb;
  gpointer data;
};

static gboolean
fire (gpointer p)
{
  struct timer *t = p;

  g_print ("[%s] finished after %u seconds\n", t->name, t->secs);
  t->cb (t->data);
  return G_SOURCE_REMOVE;
}

void
run_step (const char *name, guint seconds, StepDone done, gpointer user_data)
{
  struct timer *t = g_new0 (struct timer, 1);

  t->name = name;
  t->secs = seconds;
  t->cb = done;
  t->data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, fire, t, g_free);
}

/* ------------------------------------------------------------------ heap */

typedef struct {
  gsize *v;
  gsize len;
  const guint64 *key; /* larger first; NULL: smallest index first */
} Heap;

static gboolean
before (const Heap *h, gsize a, gsize b)
{
  if (h->key != NULL && h->key[a] != h->key[b])
    return h->key[a] > h->key[b];
  return a < b;
}

static void
heap_push (Heap *h, gsize x)
{
  gsize i = h->len++;

  while (i > 0 && before (h, x, h->v[(i - 1) / 2])) {
    h->v[i] = h->v[(i - 1) / 2];
    i = (i - 1) / 2;
  }
  h->v[i] = x;
}

static gsize
heap_take (Heap *h)
{
  gsize top = h->v[0];
  gsize x = h->v[--h->len];
  gsize i = 0;

  for (;;) {
    gsize c = 2 * i + 1;

    if (c >= h->len)
      break;
    if (c + 1 < h->len && before (h, h->v[c + 1], h->v[c]))
      c++;
    if (before (h, x, h->v[c]))
      break;
    h->v[i] = h->v[c];
    i = c;
  }
  h->v[i] = x;
  return top;
}

/* ------------------------------------------------------------------- net */

typedef struct {
  gsize from, to;
} Edge;

typedef struct {
  gsize n;
  gsize *deg;    /* how many needs */
  gsize *head;   /* succ[head[i]] .. succ[head[i + 1] - 1] need i */
  gsize *succ;
  gsize *order;
  guint64 *tail; /* seconds from the start of i to the end of the plan */
} Net;

static void
net_free (Net *net)
{
  g_free (net->deg);
  g_free (net->head);
  g_free (net->succ);
  g_free (net->order);
  g_free (net->tail);
  g_free (net);
}

static gboolean
read_edges (const Step *steps, gsize n, GArray *edges, GError **error)
{
  GHashTable *index = g_hash_table_new (g_str_hash, g_str_equal);
  gboolean ok = FALSE;

  for (gsize i = 0; i < n; i++) {
    if (g_hash_table_contains (index, steps[i].name)) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME,
                   "the name %s is used twice", steps[i].name);
      goto out;
    }
    g_hash_table_insert (index, (gpointer) steps[i].name, GSIZE_TO_POINTER (i + 1));
  }

  ok = TRUE;
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; steps[i].needs != NULL && steps[i].needs[k] != NULL; k++) {
      gsize from = GPOINTER_TO_SIZE (g_hash_table_lookup (index, steps[i].needs[k]));

      if (from == 0) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED,
                     "step %s needs %s, but there is no such step", steps[i].name,
                     steps[i].needs[k]);
        ok = FALSE;
        continue;
      }
      if (from - 1 == i) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "step %s needs itself",
                     steps[i].name);
        ok = FALSE;
        continue;
      }
      Edge e = { from - 1, i };
      g_array_append_val (edges, e);
    }

out:
  g_hash_table_destroy (index);
  return ok;
}

static void
blame_cycle (const Step *steps, const gsize *left, gsize n, const GArray *edges,
             GError **error)
{
  gsize *why = g_new0 (gsize, n);
  gboolean *seen = g_new0 (gboolean, n);
  gsize at = 0;

  for (guint k = 0; k < edges->len; k++) {
    const Edge *e = &g_array_index (edges, Edge, k);

    if (left[e->from] > 0 && left[e->to] > 0) {
      why[e->to] = e->from;
      at = e->to;
    }
  }
  while (!seen[at]) {
    seen[at] = TRUE;
    at = why[at];
  }

  GString *text = g_string_new (steps[at].name);
  gsize i = at;

  do {
    i = why[i];
    g_string_append_printf (text, " needs %s", steps[i].name);
  } while (i != at);
  g_set_error_literal (error, PLAN_ERROR, PLAN_ERROR_CYCLE, text->str);
  g_string_free (text, TRUE);
  g_free (seen);
  g_free (why);
}

static Net *
net_build (const Step *steps, gsize n, GError **error)
{
  GArray *edges = g_array_new (FALSE, FALSE, sizeof (Edge));
  Net *net = NULL;
  gsize *left = NULL;
  Heap ready = { NULL, 0, NULL };
  gsize n_order = 0;

  if (!read_edges (steps, n, edges, error))
    goto out;

  net = g_new0 (Net, 1);
  net->n = n;
  net->deg = g_new0 (gsize, n);
  net->head = g_new0 (gsize, n + 1);
  net->succ = g_new0 (gsize, edges->len);
  net->order = g_new0 (gsize, n);
  net->tail = g_new0 (guint64, n);
  left = g_new0 (gsize, n);
  ready.v = g_new0 (gsize, n);

  for (guint k = 0; k < edges->len; k++) {
    net->deg[g_array_index (edges, Edge, k).to]++;
    net->head[g_array_index (edges, Edge, k).from + 1]++;
  }
  for (gsize i = 0; i < n; i++)
    net->head[i + 1] += net->head[i];
  for (guint k = edges->len; k-- > 0;) {
    const Edge *e = &g_array_index (edges, Edge, k);

    net->succ[net->head[e->from] + left[e->from]++] = e->to;
  }

  for (gsize i = 0; i < n; i++) {
    left[i] = net->deg[i];
    if (left[i] == 0)
      heap_push (&ready, i);
  }
  while (ready.len > 0) {
    gsize i = heap_take (&ready);

    net->order[n_order++] = i;
    for (gsize k = net->head[i]; k < net->head[i + 1]; k++)
      if (--left[net->succ[k]] == 0)
        heap_push (&ready, net->succ[k]);
  }
  if (n_order < n) {
    blame_cycle (steps, left, n, edges, error);
    net_free (net);
    net = NULL;
    goto out;
  }

  for (gsize k = n; k-- > 0;) {
    gsize i = net->order[k];
    guint64 longest = 0;

    for (gsize s = net->head[i]; s < net->head[i + 1]; s++)
      longest = MAX (longest, net->tail[net->succ[s]]);
    net->tail[i] = longest + steps[i].seconds;
  }

out:
  g_free (left);
  g_free (ready.v);
  g_array_free (edges, TRUE);
  return net;
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  Net *net = net_build (steps, n_steps, error);
  GArray *order;

  if (net == NULL)
    return NULL;
  order = g_array_new (FALSE, FALSE, sizeof (gsize));
  if (n_steps > 0)
    g_array_append_vals (order, net->order, n_steps);
  net_free (net);
  return order;
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  Net *net = net_build (steps, n_steps, error);
  GArray *path;
  gsize at = 0;

  if (net == NULL)
    return NULL;
  path = g_array_new (FALSE, FALSE, sizeof (gsize));
  *makespan_s = 0;
  for (gsize i = 0; i < n_steps; i++)
    if (net->tail[i] > *makespan_s || i == 0) {
      *makespan_s = net->tail[i];
      at = i;
    }
  while (n_steps > 0) {
    gsize next = n_steps;

    g_array_append_val (path, at);
    for (gsize s = net->head[at]; s < net->head[at + 1]; s++)
      if (next == n_steps || net->tail[net->succ[s]] > net->tail[next])
        next = net->succ[s];
    if (next == n_steps)
      break;
    at = next;
  }
  net_free (net);
  return path;
}

/* ------------------------------------- run: a GTask for the plan, one for each step */

typedef struct {
  Net *net;
  Heap ready;
  gsize *left;
  guint *secs;
  StepTimes *times;
  gint64 t0;
  gsize todo, busy, room;
  PlanDone done;
  gpointer data;
} PlanState;

static void
plan_state_free (gpointer p)
{
  PlanState *s = p;

  net_free (s->net);
  g_free (s->ready.v);
  g_free (s->left);
  g_free (s->secs);
  g_free (s->times);
  g_free (s);
}

static void
step_returns (gpointer p)
{
  g_autoptr (GTask) task = p;

  g_task_return_boolean (task, TRUE);
}

static void step_ready (GObject *source, GAsyncResult *result, gpointer p);

static void
pump (GTask *plan)
{
  PlanState *s = g_task_get_task_data (plan);

  while (s->ready.len > 0 && s->busy < s->room) {
    gsize i = heap_take (&s->ready);
    GTask *task = g_task_new (NULL, NULL, step_ready, g_object_ref (plan));

    g_task_set_task_data (task, GSIZE_TO_POINTER (i), NULL);
    s->busy++;
    s->times[i].start_ms = (g_get_monotonic_time () - s->t0) / 1000;
    run_step (s->times[i].name, s->secs[i], step_returns, task);
  }
}

static void
step_ready (GObject *source, GAsyncResult *result, gpointer p)
{
  g_autoptr (GTask) plan = p;
  PlanState *s = g_task_get_task_data (plan);
  gsize i = GPOINTER_TO_SIZE (g_task_get_task_data (G_TASK (result)));

  if (!g_task_propagate_boolean (G_TASK (result), NULL))
    g_assert_not_reached ();
  s->times[i].end_ms = (g_get_monotonic_time () - s->t0) / 1000;
  s->busy--;
  s->todo--;
  for (gsize k = s->net->head[i]; k < s->net->head[i + 1]; k++) {
    gsize next = s->net->succ[k];

    if (--s->left[next] == 0)
      heap_push (&s->ready, next);
  }
  pump (plan);
  if (s->todo == 0)
    g_task_return_boolean (plan, TRUE);
}

static void
plan_ready (GObject *source, GAsyncResult *result, gpointer p)
{
  PlanState *s = g_task_get_task_data (G_TASK (result));

  (void) g_task_propagate_boolean (G_TASK (result), NULL);
  s->done (s->times, s->net->n, s->data);
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  Net *net = net_build (steps, n_steps, error);
  g_autoptr (GTask) plan = NULL;
  PlanState *s;

  if (net == NULL)
    return FALSE;

  s = g_new0 (PlanState, 1);
  s->net = net;
  s->ready.v = g_new0 (gsize, n_steps);
  s->ready.key = net->tail;
  s->left = g_new0 (gsize, n_steps);
  s->secs = g_new0 (guint, n_steps);
  s->times = g_new0 (StepTimes, n_steps);
  s->t0 = g_get_monotonic_time ();
  s->todo = n_steps;
  s->room = max_parallel > 0 ? max_parallel : G_MAXSIZE;
  s->done = done;
  s->data = user_data;
  for (gsize i = 0; i < n_steps; i++) {
    s->times[i].name = steps[i].name;
    s->secs[i] = steps[i].seconds;
    s->left[i] = net->deg[i];
    if (s->left[i] == 0)
      heap_push (&s->ready, i);
  }
  plan = g_task_new (NULL, NULL, plan_ready, NULL);
  g_task_set_task_data (plan, s, plan_state_free);
  pump (plan);
  if (n_steps == 0)
    g_task_return_boolean (plan, TRUE);
  return TRUE;
}

/* ---- main ---- */

typedef struct {
  gboolean over;
} Flag;

static void
print_summary (const StepTimes *times, gsize n_times, gpointer user_data)
{
  Flag *flag = user_data;
  gint64 longest_ms = 0;

  for (gsize i = 0; i < n_times; i++)
    longest_ms = MAX (longest_ms, times[i].end_ms);
  g_print ("All done: %zu steps in %.0f s\n", n_times, longest_ms / 1000.0);
  flag->over = TRUE;
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
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) path = NULL;
  g_autoptr (GPtrArray) names = g_ptr_array_new ();
  guint64 total = 0, makespan = 0;
  Flag flag = { FALSE };

  path = plan_critical_path (steps, G_N_ELEMENTS (steps), &makespan, &error);
  if (path == NULL) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    total += steps[i].seconds;
  for (guint k = 0; k < path->len; k++)
    g_ptr_array_add (names, (gpointer) steps[g_array_index (path, gsize, k)].name);
  g_ptr_array_add (names, NULL);

  g_autofree char *joined = g_strjoinv (" -> ", (char **) names->pdata);
  g_print ("One after another: %" G_GUINT64_FORMAT " s\n", total);
  g_print ("Critical path: %" G_GUINT64_FORMAT " s, %s\n", makespan, joined);

  if (!run_plan (steps, G_N_ELEMENTS (steps), 0, print_summary, &flag, &error)) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  while (!flag.over)
    g_main_context_iteration (NULL, TRUE);
  return 0;
}
