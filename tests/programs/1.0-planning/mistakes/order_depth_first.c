// mistake: ties-by-position
// Depth first, backwards: a topological order in one pass.
#include "plan.h"
#include <stdlib.h>
#include <string.h>

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

/* A set of numbers below n, that can give its smallest: three levels of 64-bit words
 * would do for 262 144; this one has as many levels as it takes. */
typedef struct {
  guint depth;
  guint64 *level[12];
} MinSet;

static void
min_set_init (MinSet *set, gsize n)
{
  set->depth = 0;
  do {
    n = (n + 63) / 64;
    set->level[set->depth++] = g_new0 (guint64, n + 1);
  } while (n > 1);
}

static void
min_set_free (MinSet *set)
{
  while (set->depth > 0)
    g_free (set->level[--set->depth]);
}

static void
min_set_add (MinSet *set, gsize x)
{
  for (guint d = 0; d < set->depth; d++, x /= 64)
    set->level[d][x / 64] |= G_GUINT64_CONSTANT (1) << (x % 64);
}

static gboolean
min_set_take (MinSet *set, gsize *smallest)
{
  gsize x = 0;
  if (set->level[set->depth - 1][0] == 0)
    return FALSE;
  for (guint d = set->depth; d-- > 0;)
    x = x * 64 + __builtin_ctzll (set->level[d][x]);
  *smallest = x;
  for (guint d = 0; d < set->depth; d++, x /= 64) {
    set->level[d][x / 64] &= ~(G_GUINT64_CONSTANT (1) << (x % 64));
    if (set->level[d][x / 64] != 0)
      break;
  }
  return TRUE;
}

typedef struct {
  gsize from, to; /* to needs from */
  gsize next;     /* the next arrow that leaves from, or 0 */
} Arrow;

typedef struct {
  gsize n;
  GArray *arrows;  /* [0] is not used */
  gsize *head;     /* the first arrow that leaves a step, or 0 */
  gsize *count;    /* how many come in */
  gsize *sequence; /* an order */
  guint64 *tail;   /* seconds from the start of a step to the end */
} Chart;

static void
chart_free (Chart *c)
{
  g_array_unref (c->arrows);
  g_free (c->head);
  g_free (c->count);
  g_free (c->sequence);
  g_free (c->tail);
  g_free (c);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Chart, chart_free)

static char *
sort_depth_first (const Chart *c, const Step *steps)
{
  gsize place = c->n; /* who is left last comes first */

  /* Depth first, with a stack of our own: 0 new, 1 on the stack, 2 left. */
  g_autofree guint8 *colour = g_new0 (guint8, c->n);
  g_autofree gsize *cursor = g_memdup2 (c->head, c->n * sizeof (gsize));
  g_autofree gsize *stack = g_new (gsize, c->n);

  for (gsize root = c->n; root-- > 0;) {
    gsize height = 0;
    if (colour[root] != 0)
      continue;
    stack[height++] = root;
    colour[root] = 1;
    while (height > 0) {
      gsize at = stack[height - 1];
      if (cursor[at] == 0) {
        colour[at] = 2;
        height--;
        c->sequence[--place] = at;
        continue;
      }
      Arrow *arrow = &g_array_index (c->arrows, Arrow, cursor[at]);
      cursor[at] = arrow->next;
      if (colour[arrow->to] == 0) {
        colour[arrow->to] = 1;
        stack[height++] = arrow->to;
      } else if (colour[arrow->to] == 1) {
        /* Each on the stack is needed by the one above it; so read downwards. */
        g_autoptr (GString) s = g_string_new (steps[arrow->to].name);
        do {
          height--;
          g_string_append_printf (s, " needs %s", steps[stack[height]].name);
        } while (stack[height] != arrow->to);
        return g_string_free (g_steal_pointer (&s), FALSE);
      }
    }
  }
  return NULL;
}

static int
compare_names (const void *a, const void *b)
{
  return strcmp ((*(const Step *const *) a)->name, (*(const Step *const *) b)->name);
}

static const Step *
look_up (const Step **sorted, gsize n, const char *name)
{
  Step key = { .name = name };
  const Step *k = &key;
  const Step **hit = bsearch (&k, sorted, n, sizeof *sorted, compare_names);
  return hit != NULL ? *hit : NULL;
}

static Chart *
chart_new (const Step *steps, gsize n, GError **error)
{
  g_autoptr (Chart) c = g_new0 (Chart, 1);
  g_autofree const Step **sorted = g_new (const Step *, n + 1);
  Arrow arrow = { 0 };

  c->n = n;
  c->arrows = g_array_new (FALSE, FALSE, sizeof (Arrow));
  c->head = g_new0 (gsize, n);
  c->count = g_new0 (gsize, n);
  c->sequence = g_new0 (gsize, n);
  c->tail = g_new0 (guint64, n);
  g_array_append_val (c->arrows, arrow);

  for (gsize i = 0; i < n; i++)
    sorted[i] = &steps[i];
  qsort (sorted, n, sizeof *sorted, compare_names);
  for (gsize i = 1; i < n; i++)
    if (strcmp (sorted[i - 1]->name, sorted[i]->name) == 0) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME, "%s: name taken",
                   sorted[i]->name);
      return NULL;
    }
  for (gsize i = 0; i < n; i++)
    for (gsize k = 0; steps[i].needs && steps[i].needs[k]; k++) {
      const Step *need = look_up (sorted, n, steps[i].needs[k]);
      if (need == NULL) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED, "%s needs unknown %s",
                     steps[i].name, steps[i].needs[k]);
        return NULL;
      }
      if (need == &steps[i]) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "%s needs %s", need->name,
                     need->name);
        return NULL;
      }
      arrow = (Arrow){ need - steps, i, c->head[need - steps] };
      c->head[need - steps] = c->arrows->len;
      c->count[i]++;
      g_array_append_val (c->arrows, arrow);
    }

  g_autofree char *cycle = sort_depth_first (c, steps);
  if (cycle != NULL) {
    g_set_error_literal (error, PLAN_ERROR, PLAN_ERROR_CYCLE, cycle);
    return NULL;
  }

  gsize filled = n, i;

  while (filled-- > 0) {
    i = c->sequence[filled];
    for (gsize a = c->head[i]; a != 0; a = g_array_index (c->arrows, Arrow, a).next)
      c->tail[i] = MAX (c->tail[i], c->tail[g_array_index (c->arrows, Arrow, a).to]);
    c->tail[i] += steps[i].seconds;
  }
  return g_steal_pointer (&c);
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (Chart) c = chart_new (steps, n_steps, error);
  if (c == NULL)
    return NULL;
  return g_array_append_vals (g_array_new (FALSE, TRUE, sizeof (gsize)), c->sequence,
                              n_steps);
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  g_autoptr (Chart) c = chart_new (steps, n_steps, error);
  if (c == NULL)
    return NULL;
  GArray *path = g_array_new (FALSE, TRUE, sizeof (gsize));
  guint64 whole = 0, rest;
  for (gsize i = 0; i < n_steps; i++)
    whole = MAX (whole, c->tail[i]);
  *makespan_s = rest = whole;
  /* Down the order: whoever has exactly what is left, and hangs on the one before. */
  gsize last = G_MAXSIZE;
  g_autofree gsize *hangs_on = g_new0 (gsize, n_steps); /* position + 1 */
  for (gsize k = 0; k < n_steps; k++) {
    gsize i = c->sequence[k];
    if (c->tail[i] != rest || (last != G_MAXSIZE && hangs_on[i] != last + 1))
      continue;
    g_array_append_val (path, i);
    rest -= steps[i].seconds;
    last = i;
    for (gsize a = c->head[i]; a != 0; a = g_array_index (c->arrows, Arrow, a).next)
      hangs_on[g_array_index (c->arrows, Arrow, a).to] = i + 1;
  }
  return path;
}

typedef struct Job Job;
typedef struct {
  Job *job;
  gsize position, rank;
  guint seconds;
} Ticket;
struct Job {
  Chart *chart;
  Ticket *tickets; /* by position */
  gsize *by_rank;  /* from rank to position */
  StepTimes *times;
  MinSet ready; /* ranks */
  guint64 places;
  gsize pending;
  gint64 birth;
  PlanDone done;
  gpointer user_data;
};

static int
by_tail (gconstpointer a, gconstpointer b, gpointer data)
{
  const guint64 *tail = data;
  gsize x = *(const gsize *) a, y = *(const gsize *) b;
  if (tail[x] == tail[y])
    return x < y ? -1 : x > y;
  return tail[x] < tail[y] ? 1 : -1;
}

static gboolean
job_end (gpointer data)
{
  Job *job = data;
  job->done (job->times, job->chart->n, job->user_data);
  return G_SOURCE_REMOVE;
}

static void
job_free (gpointer data)
{
  Job *job = data;
  chart_free (job->chart);
  min_set_free (&job->ready);
  g_free (job->tickets);
  g_free (job->by_rank);
  g_free (job->times);
  g_free (job);
}

static void ticket_done (gpointer data);

static void
job_go (Job *job)
{
  gsize rank;
  while (job->places > 0 && min_set_take (&job->ready, &rank)) {
    Ticket *t = &job->tickets[job->by_rank[rank]];
    job->places--;
    job->times[t->position].start_ms = (g_get_monotonic_time () - job->birth) / 1000;
    run_step (job->times[t->position].name, t->seconds, ticket_done, t);
  }
}

static void
ticket_done (gpointer data)
{
  Ticket *t = data;
  Job *job = t->job;
  const Chart *c = job->chart;

  job->times[t->position].end_ms = (g_get_monotonic_time () - job->birth) / 1000;
  job->places++;
  for (gsize a = c->head[t->position]; a != 0;
       a = g_array_index (c->arrows, Arrow, a).next) {
    gsize to = g_array_index (c->arrows, Arrow, a).to;
    if (--job->chart->count[to] == 0)
      min_set_add (&job->ready, job->tickets[to].rank);
  }
  job_go (job);
  if (--job->pending == 0) {
    job_end (job);
    job_free (job);
  }
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  gint64 birth = g_get_monotonic_time ();
  Chart *c = chart_new (steps, n_steps, error);
  Job *job;

  if (!c)
    return FALSE;
  job = g_new0 (Job, 1);
  job->birth = birth;
  job->chart = c;
  job->places = max_parallel ? max_parallel : G_MAXUINT64;
  job->pending = n_steps;
  job->done = done;
  job->user_data = user_data;
  job->tickets = g_new0 (Ticket, n_steps);
  job->times = g_new0 (StepTimes, n_steps);
  job->by_rank = g_new0 (gsize, n_steps);
  min_set_init (&job->ready, n_steps);
  for (gsize i = 0; i < n_steps; i++)
    job->by_rank[i] = i;
  if (n_steps > 1)
    g_qsort_with_data (job->by_rank, n_steps, sizeof (gsize), by_tail, c->tail);
  for (gsize r = 0; r < n_steps; r++) {
    gsize i = job->by_rank[r];
    job->tickets[i] = (Ticket){ job, i, r, steps[i].seconds };
    job->times[i].name = steps[i].name;
    if (c->count[i] == 0)
      min_set_add (&job->ready, r);
  }
  if (n_steps == 0)
    g_idle_add_full (G_PRIORITY_DEFAULT_IDLE, job_end, job, job_free);
  job_go (job);
  return TRUE;
}

static void
on_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  gint64 end = 0;

  for (gsize i = 0; i < n_times; i++)
    end = MAX (end, times[i].end_ms);
  g_print ("All done: %zu steps in %" G_GINT64_FORMAT " s\n", n_times,
           (end + 500) / 1000);
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
  const gsize n = G_N_ELEMENTS (steps);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;
  guint64 makespan = 0, sum = 0;
  g_autoptr (GArray) path = plan_critical_path (steps, n, &makespan, &error);

  if (path != NULL) {
    for (gsize i = 0; i < n; i++)
      sum += steps[i].seconds;
    g_print ("One after another: %" G_GUINT64_FORMAT " s\n", sum);
    g_print ("Critical path: %" G_GUINT64_FORMAT " s, ", makespan);
    for (guint i = 0; i < path->len; i++)
      g_print ("%s%s", i > 0 ? " -> " : "", steps[g_array_index (path, gsize, i)].name);
    g_print ("\n");
  }
  if (path == NULL || !run_plan (steps, n, 0, on_done, loop, &error)) {
    g_printerr ("%s\n", error->message);
    return 1;
  }
  g_main_loop_run (loop);
  return 0;
}
