// mistake: ties-by-position
// Equals go by their place in plan_order.
/* Planning, with a bit for everyone who is ready. */
#include "plan.h"
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

/* ---- a set of numbers 0 .. n - 1 that knows its smallest ---- */

#define WORD (8 * sizeof (gulong))
#define MAX_LEVELS 12

typedef struct {
  guint n_levels;
  gulong *level[MAX_LEVELS]; /* a bit of level l + 1: is there a bit in that word of l? */
} Flags;

static void
flags_init (Flags *set, gsize n)
{
  set->n_levels = 0;
  do {
    n = (n + WORD - 1) / WORD;
    set->level[set->n_levels++] = g_new0 (gulong, MAX (n, 1));
  } while (n > 1);
}

static void
flags_clear (Flags *set)
{
  while (set->n_levels > 0)
    g_free (set->level[--set->n_levels]);
}

static void
flags_raise (Flags *set, gsize x)
{
  for (guint l = 0; l < set->n_levels; l++, x /= WORD)
    set->level[l][x / WORD] |= 1UL << x % WORD;
}

static gboolean
flags_none (const Flags *set)
{
  return set->level[set->n_levels - 1][0] == 0;
}

static gsize
flags_take_lowest (Flags *set)
{
  gsize smallest = 0;

  for (guint l = set->n_levels; l-- > 0;)
    smallest = smallest * WORD + g_bit_nth_lsf (set->level[l][smallest], -1);
  for (gsize l = 0, x = smallest; l < set->n_levels; l++, x /= WORD) {
    set->level[l][x / WORD] &= ~(1UL << x % WORD);
    if (set->level[l][x / WORD] != 0)
      break;
  }
  return smallest;
}

/* ---- the plan as numbers ---- */

typedef struct {
  gsize n;
  GArray **before; /* gsize: what i needs, as often as it is named */
  GArray **after;  /* gsize: who needs i, likewise */
  gsize *sequence; /* plan_order() */
  guint64 *rest_s;
} Model;

static Model *
model_alloc (gsize n)
{
  Model *m = g_new0 (Model, 1);

  m->n = n;
  m->before = g_new (GArray *, n);
  m->after = g_new (GArray *, n);
  for (gsize i = 0; i < n; i++) {
    m->before[i] = g_array_new (FALSE, FALSE, sizeof (gsize));
    m->after[i] = g_array_new (FALSE, FALSE, sizeof (gsize));
  }
  m->sequence = g_new (gsize, n);
  m->rest_s = g_new0 (guint64, n);
  return m;
}

static void
model_free (Model *m)
{
  for (gsize i = 0; i < m->n; i++) {
    g_array_free (m->before[i], TRUE);
    g_array_free (m->after[i], TRUE);
  }
  g_free (m->before);
  g_free (m->after);
  g_free (m->sequence);
  g_free (m->rest_s);
  g_free (m);
}

static gsize *
model_count_needs (const Model *m)
{
  gsize *missing = g_new (gsize, m->n);

  for (gsize i = 0; i < m->n; i++)
    missing[i] = m->before[i]->len;
  return missing;
}

static gboolean
model_fill (Model *m, const Step *steps, GError **error)
{
  GHashTable *index = g_hash_table_new (g_str_hash, g_str_equal);
  gboolean good = FALSE;
  gsize i, k;

  for (i = 0; i < m->n; i++) {
    if (g_hash_table_contains (index, steps[i].name)) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME, "duplicate step: %s",
                   steps[i].name);
      goto out;
    }
    g_hash_table_insert (index, (char *) steps[i].name, GSIZE_TO_POINTER (i));
  }
  for (i = 0; i < m->n; i++)
    for (k = 0; steps[i].needs != NULL && steps[i].needs[k] != NULL; k++) {
      gpointer value;
      gsize need;

      if (!g_hash_table_lookup_extended (index, steps[i].needs[k], NULL, &value)) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED, "%s needs unknown %s",
                     steps[i].name, steps[i].needs[k]);
        goto out;
      }
      need = GPOINTER_TO_SIZE (value);
      if (need == i) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "%s needs %s",
                     steps[i].name, steps[i].name);
        goto out;
      }
      g_array_append_val (m->before[i], need);
      g_array_append_val (m->after[need], i);
    }
  good = TRUE;
out:
  g_hash_table_unref (index);
  return good;
}

static char *
model_describe_cycle (const Model *m, const gsize *missing, const Step *steps)
{
  GQueue trail = G_QUEUE_INIT;
  GString *text = g_string_new (NULL);
  gboolean *on_trail = g_new0 (gboolean, m->n);
  gsize i = 0;

  while (missing[i] == 0)
    i++;
  while (!on_trail[i]) {
    const GArray *needs = m->before[i];
    guint k = 0;

    on_trail[i] = TRUE;
    g_queue_push_tail (&trail, GSIZE_TO_POINTER (i));
    while (missing[g_array_index (needs, gsize, k)] == 0)
      k++;
    i = g_array_index (needs, gsize, k);
  }
  while (GPOINTER_TO_SIZE (g_queue_peek_head (&trail)) != i)
    g_queue_pop_head (&trail);
  while (!g_queue_is_empty (&trail))
    g_string_append_printf (text, "%s needs ",
                            steps[GPOINTER_TO_SIZE (g_queue_pop_head (&trail))].name);
  g_string_append (text, steps[i].name);
  g_free (on_trail);
  return g_string_free (text, FALSE);
}

static gboolean
model_sort (Model *m, const Step *steps, GError **error)
{
  gsize *missing = model_count_needs (m);
  gsize n_sorted = 0;
  Flags ready;

  flags_init (&ready, m->n);
  for (gsize i = 0; i < m->n; i++)
    if (missing[i] == 0)
      flags_raise (&ready, i);
  while (!flags_none (&ready)) {
    gsize i = flags_take_lowest (&ready);

    m->sequence[n_sorted++] = i;
    for (guint k = 0; k < m->after[i]->len; k++) {
      gsize next = g_array_index (m->after[i], gsize, k);

      if (--missing[next] == 0)
        flags_raise (&ready, next);
    }
  }
  flags_clear (&ready);
  if (n_sorted < m->n) {
    char *cycle = model_describe_cycle (m, missing, steps);

    g_set_error_literal (error, PLAN_ERROR, PLAN_ERROR_CYCLE, cycle);
    g_free (cycle);
  }
  g_free (missing);
  return n_sorted == m->n;
}

static void
model_measure (Model *m, const Step *steps)
{
  /* Everybody hands what remains from them up to those that they need. */
  for (gsize k = m->n; k-- > 0;) {
    gsize i = m->sequence[k];

    m->rest_s[i] += steps[i].seconds;
    for (guint b = 0; b < m->before[i]->len; b++) {
      gsize need = g_array_index (m->before[i], gsize, b);

      if (m->rest_s[need] < m->rest_s[i])
        m->rest_s[need] = m->rest_s[i];
    }
  }
}

static Model *
model_new (const Step *steps, gsize n, GError **error)
{
  Model *m = model_alloc (n);

  if (!model_fill (m, steps, error) || !model_sort (m, steps, error)) {
    model_free (m);
    return NULL;
  }
  model_measure (m, steps);
  return m;
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  Model *m = model_new (steps, n_steps, error);
  GArray *order = NULL;

  if (m != NULL) {
    order = g_array_new (FALSE, FALSE, sizeof (gsize));
    for (gsize k = 0; k < n_steps; k++)
      g_array_append_val (order, m->sequence[k]);
    model_free (m);
  }
  return order;
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  Model *m = model_new (steps, n_steps, error);
  GArray *path;
  guint64 due = 0;
  gsize last = 0;

  if (m == NULL)
    return NULL;
  path = g_array_new (FALSE, FALSE, sizeof (gsize));
  for (gsize i = 0; i < n_steps; i++)
    due = MAX (due, m->rest_s[i]);
  *makespan_s = due;

  /* Going through the order, take whoever has exactly as much before them as is left. */
  for (gsize k = 0; k < n_steps; k++) {
    gsize i = m->sequence[k];
    gboolean fits = m->rest_s[i] == due && path->len == 0;

    for (guint b = 0; !fits && m->rest_s[i] == due && b < m->before[i]->len; b++)
      fits = g_array_index (m->before[i], gsize, b) == last;
    if (!fits)
      continue;
    g_array_append_val (path, i);
    due -= steps[i].seconds;
    last = i;
  }
  model_free (m);
  return path;
}

/* ---- running ---- */

typedef struct {
  Model *model;
  gsize *rank;    /* rank[i]: how many steps are to be preferred to i */
  gsize *at_rank; /* the inverse */
  gsize *missing;
  Flags ready;   /* ranks */
  StepTimes *times;
  guint *seconds;
  gint64 began_at;
  guint max_parallel;
  gsize n_started, n_finished;
  PlanDone done;
  gpointer user_data;
} Engine;

typedef struct {
  Engine *engine;
  gsize step;
} Ride;

static gint
compare_urgency (gconstpointer a, gconstpointer b, gpointer rest_s)
{
  guint64 x = ((const guint64 *) rest_s)[*(const gsize *) a];
  guint64 y = ((const guint64 *) rest_s)[*(const gsize *) b];

  if (x == y)
    return 0; /* the sort is stable: equals stay as they stand in the order */
  return x > y ? -1 : 1;
}

static void
engine_free (Engine *e)
{
  flags_clear (&e->ready);
  model_free (e->model);
  g_free (e->rank);
  g_free (e->at_rank);
  g_free (e->missing);
  g_free (e->times);
  g_free (e->seconds);
  g_free (e);
}

static gint64
engine_ms (const Engine *e)
{
  return g_get_monotonic_time () / 1000 - e->began_at;
}

static void ride_over (gpointer data);

static void
engine_start (Engine *e)
{
  while (!flags_none (&e->ready)) {
    gsize step;
    Ride *ride;

    if (e->max_parallel != 0 && e->n_started - e->n_finished >= e->max_parallel)
      return;
    step = e->at_rank[flags_take_lowest (&e->ready)];
    ride = g_new (Ride, 1);
    ride->engine = e;
    ride->step = step;
    e->n_started++;
    e->times[step].start_ms = engine_ms (e);
    run_step (e->times[step].name, e->seconds[step], ride_over, ride);
  }
}

static gboolean
engine_report (gpointer data)
{
  Engine *e = data;

  e->done (e->times, e->model->n, e->user_data);
  engine_free (e);
  return G_SOURCE_REMOVE;
}

static void
ride_over (gpointer data)
{
  g_autofree Ride *ride = data;
  Engine *e = ride->engine;
  const GArray *after = e->model->after[ride->step];

  e->n_finished++;
  e->times[ride->step].end_ms = engine_ms (e);
  for (guint k = 0; k < after->len; k++)
    if (--e->missing[g_array_index (after, gsize, k)] == 0)
      flags_raise (&e->ready, e->rank[g_array_index (after, gsize, k)]);
  engine_start (e);
  if (e->n_finished == e->model->n)
    g_idle_add_full (G_PRIORITY_HIGH, engine_report, e, NULL);
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  gint64 began_at = g_get_monotonic_time () / 1000;
  Model *model = model_new (steps, n_steps, error);
  Engine *e;

  if (model == NULL)
    return FALSE;
  e = g_new0 (Engine, 1);
  e->model = model;
  e->began_at = began_at;
  e->max_parallel = max_parallel;
  e->done = done;
  e->user_data = user_data;
  e->missing = model_count_needs (model);
  e->times = g_new0 (StepTimes, n_steps);
  e->seconds = g_new (guint, n_steps);
  e->rank = g_new (gsize, n_steps);
  e->at_rank = g_new (gsize, n_steps);
  for (gsize i = 0; i < n_steps; i++) {
    e->times[i].name = steps[i].name;
    e->seconds[i] = steps[i].seconds;
    e->at_rank[i] = model->sequence[i];
  }
  if (n_steps > 1)
    g_qsort_with_data (e->at_rank, (gint) n_steps, sizeof (gsize), compare_urgency,
                       model->rest_s);
  flags_init (&e->ready, n_steps);
  for (gsize r = 0; r < n_steps; r++) {
    e->rank[e->at_rank[r]] = r;
    if (e->missing[e->at_rank[r]] == 0)
      flags_raise (&e->ready, r);
  }
  if (n_steps == 0)
    g_idle_add (engine_report, e);
  engine_start (e);
  return TRUE;
}

typedef struct {
  GMainLoop *loop;
  gboolean finished;
} Program;

static void
plan_is_over (const StepTimes *times, gsize n_times, gpointer user_data)
{
  Program *program = user_data;
  gint64 longest_ms = 0;

  for (const StepTimes *t = times; t < times + n_times; t++)
    longest_ms = MAX (longest_ms, t->end_ms);
  g_print ("All done: %zu steps in %.0f s\n", n_times, (double) longest_ms / 1000);
  program->finished = TRUE;
  g_main_loop_quit (program->loop);
}

static char *
join_names (const Step *steps, const GArray *positions)
{
  GString *text = g_string_new ("");

  for (guint k = 0; k < positions->len; k++) {
    if (text->len > 0)
      g_string_append (text, " -> ");
    g_string_append (text, steps[g_array_index (positions, gsize, k)].name);
  }
  return g_string_free (text, FALSE);
}

int
main (void)
{
  const Step research[] = {
    { .name = "ask_model", .seconds = 1 },
    { .name = "search_web", .seconds = 1, .needs = NEEDS ("ask_model") },
    { .name = "search_papers", .seconds = 2, .needs = NEEDS ("ask_model") },
    { .name = "fetch_page", .seconds = 4, .needs = NEEDS ("search_web") },
    { .name = "fetch_data", .seconds = 2, .needs = NEEDS ("search_web") },
    { .name = "read_papers", .seconds = 2, .needs = NEEDS ("search_papers") },
    { .name = "compare",
      .seconds = 1,
      .needs = NEEDS ("fetch_page", "fetch_data", "read_papers") },
    { .name = "write_answer", .seconds = 1, .needs = NEEDS ("compare") },
  };
  Program program = { g_main_loop_new (NULL, FALSE), FALSE };
  g_autoptr (GError) error = NULL;
  guint64 sum = 0;
  guint64 makespan = 0;
  g_autoptr (GArray) path =
    plan_critical_path (research, G_N_ELEMENTS (research), &makespan, &error);

  if (path != NULL) {
    g_autofree char *names = join_names (research, path);

    for (gsize i = 0; i < G_N_ELEMENTS (research); i++)
      sum += research[i].seconds;
    g_print ("One after another: %" G_GUINT64_FORMAT " s\n", sum);
    g_print ("Critical path: %" G_GUINT64_FORMAT " s, %s\n", makespan, names);
    if (run_plan (research, G_N_ELEMENTS (research), 0, plan_is_over, &program, &error))
      g_main_loop_run (program.loop);
  }
  if (error != NULL)
    g_printerr ("plan: %s\n", error->message);
  g_main_loop_unref (program.loop);
  return program.finished ? 0 : 1;
}
