// mistake: list-order-start
// "Ready steps start in the order of the plan, that is fair."
#include "plan.h"

/* ---- Given: one step is one experiment of module 0.5 ---- */

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

/* ---- The graph: names become positions, and the arrows are turned around ---- */

/* A step says what it needs; when it finishes, we must know by whom it is needed. */
typedef struct {
  gsize n_steps;
  gsize *n_needs;     /* n_needs[i]: how many needs step i has */
  GArray **needed_by; /* needed_by[i]: the positions (gsize) of the steps that need it */
  GArray *order;      /* what plan_order() returns */
} Graph;

static void
graph_free (Graph *graph)
{
  for (gsize i = 0; i < graph->n_steps; i++)
    g_array_unref (graph->needed_by[i]);
  g_array_unref (graph->order);
  g_free (graph->needed_by);
  g_free (graph->n_needs);
  g_free (graph);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Graph, graph_free)

static Graph *
graph_new (gsize n_steps)
{
  Graph *graph = g_new (Graph, 1);

  graph->n_steps = n_steps;
  graph->n_needs = g_new0 (gsize, n_steps);
  graph->needed_by = g_new (GArray *, n_steps);
  for (gsize i = 0; i < n_steps; i++)
    graph->needed_by[i] = g_array_new (FALSE, FALSE, sizeof (gsize));
  graph->order = g_array_new (FALSE, FALSE, sizeof (gsize));
  return graph;
}

/* From name to position, so that no name is ever searched for through all steps. */
static GHashTable *
index_names (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (GHashTable) positions = g_hash_table_new (g_str_hash, g_str_equal);

  for (gsize i = 0; i < n_steps; i++)
    if (!g_hash_table_insert (positions, (char *) steps[i].name, GSIZE_TO_POINTER (i))) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME,
                   "two steps are called %s", steps[i].name);
      return NULL;
    }
  return g_steal_pointer (&positions);
}

/* @name needs @need: find both, refuse what can not be, and keep the arrow. */
static gboolean
graph_add_need (Graph *graph, GHashTable *positions, const char *name, const char *need,
                GError **error)
{
  gsize step = GPOINTER_TO_SIZE (g_hash_table_lookup (positions, name));
  gpointer needed;

  if (!g_hash_table_lookup_extended (positions, need, NULL, &needed)) {
    g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED,
                 "%s needs %s, which is not a step of the plan", name, need);
    return FALSE;
  }
  if (GPOINTER_TO_SIZE (needed) == step) {
    g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "%s needs itself", name);
    return FALSE;
  }
  g_array_append_val (graph->needed_by[GPOINTER_TO_SIZE (needed)], step);
  graph->n_needs[step]++;
  return TRUE;
}

static Graph *
graph_from_steps (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (GHashTable) positions = index_names (steps, n_steps, error);
  g_autoptr (Graph) graph = graph_new (n_steps);

  if (positions == NULL)
    return NULL;
  for (gsize i = 0; i < n_steps; i++)
    for (const char *const *need = steps[i].needs; need && *need; need++)
      if (!graph_add_need (graph, positions, steps[i].name, *need, error))
        return NULL;
  return g_steal_pointer (&graph);
}

/* ---- The agenda: which steps may start now, and what the others still wait for ---- */

#define NO_STEP G_MAXSIZE

typedef struct {
  const Graph *graph;
  const guint64 *remaining_s; /* The larger, the earlier; NULL: the plan's own order. */
  gsize *n_pending;           /* n_pending[i]: needs of step i that have not finished */
  GSequence *ready;           /* the positions of the steps that may start, best first */
} Agenda;

/* Negative if step @a goes before step @b; @user_data is the agenda's remaining_s. */
static gint
compare_steps (gconstpointer a, gconstpointer b, gpointer user_data)
{
  gint order = 0;

  const guint64 *remaining_s = user_data;
  gsize left = GPOINTER_TO_SIZE (a);
  gsize right = GPOINTER_TO_SIZE (b);

  if (remaining_s != NULL && remaining_s[left] != remaining_s[right])
    order = remaining_s[left] > remaining_s[right] ? -1 : 1;
  else
    order = left < right ? -1 : 1;
  return order;
}

static void
agenda_add (Agenda *agenda, gsize step)
{
  g_sequence_insert_sorted (agenda->ready, GSIZE_TO_POINTER (step), compare_steps,
                            (gpointer) agenda->remaining_s);
}

static Agenda *
agenda_new (const Graph *graph, const guint64 *remaining_s)
{
  Agenda *agenda = g_new (Agenda, 1);

  agenda->graph = graph;
  agenda->remaining_s = remaining_s;
  agenda->n_pending = g_memdup2 (graph->n_needs, graph->n_steps * sizeof (gsize));
  agenda->ready = g_sequence_new (NULL);
  for (gsize i = 0; i < graph->n_steps; i++)
    if (agenda->n_pending[i] == 0)
      agenda_add (agenda, i);
  return agenda;
}

static void
agenda_free (Agenda *agenda)
{
  g_sequence_free (agenda->ready);
  g_free (agenda->n_pending);
  g_free (agenda);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Agenda, agenda_free)

/* Take the best step that may start; NO_STEP if there is none. */
static gsize
agenda_pop (Agenda *agenda)
{
  gsize step = NO_STEP;

  GSequenceIter *first = g_sequence_get_begin_iter (agenda->ready);

  if (!g_sequence_iter_is_end (first)) {
    step = GPOINTER_TO_SIZE (g_sequence_get (first));
    g_sequence_remove (first);
  }
  return step;
}

/* Strike a step off: those that waited for nothing else may start. */
static void
agenda_finish (Agenda *agenda, gsize step)
{
  const GArray *needed_by = agenda->graph->needed_by[step];

  /* Only who needs this step is looked at: each arrow once in the whole run. */
  for (guint k = 0; k < needed_by->len; k++) {
    gsize next = g_array_index (needed_by, gsize, k);

    if (--agenda->n_pending[next] == 0)
      agenda_add (agenda, next);
  }
}

/* An order is a run in which no step takes any time. */
static void
graph_find_order (Graph *graph)
{
  g_autoptr (Agenda) agenda = agenda_new (graph, NULL);
  gsize step;

  while ((step = agenda_pop (agenda)) != NO_STEP) {
    g_array_append_val (graph->order, step);
    agenda_finish (agenda, step);
  }
}
/* Called when @graph->order lacks some steps: name a cycle among those. */
static void
set_cycle_error (const Graph *graph, const Step *steps, GError **error)
{
  g_autofree gboolean *passed = g_new0 (gboolean, graph->n_steps);
  g_autofree gsize *waits_for = g_new0 (gsize, graph->n_steps);
  g_autoptr (GString) message = g_string_new (NULL);
  gsize step = 0;

  for (guint k = 0; k < graph->order->len; k++)
    passed[g_array_index (graph->order, gsize, k)] = TRUE;
  for (gsize i = 0; i < graph->n_steps; i++)
    for (guint k = 0; !passed[i] && k < graph->needed_by[i]->len; k++) {
      step = g_array_index (graph->needed_by[i], gsize, k);
      waits_for[step] = i;
    }

  /* Who is left over waits for another that is left over: going from each to the one
   * that it waits for, we come back sooner or later to where we have been. */
  for (; !passed[step]; step = waits_for[step])
    passed[step] = TRUE;

  g_string_append (message, steps[step].name);
  for (gsize next = waits_for[step]; next != step; next = waits_for[next])
    g_string_append_printf (message, " needs %s", steps[next].name);
  g_string_append_printf (message, " needs %s", steps[step].name);
  g_set_error_literal (error, PLAN_ERROR, PLAN_ERROR_CYCLE, message->str);
}

/* The graph of a plan that can be run, its order included; or the reason why not. */
static Graph *
graph_of_plan (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (Graph) graph = graph_from_steps (steps, n_steps, error);

  if (graph == NULL)
    return NULL;
  graph_find_order (graph);
  if (graph->order->len < n_steps) {
    set_cycle_error (graph, steps, error);
    return NULL;
  }
  return g_steal_pointer (&graph);
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (Graph) graph = graph_of_plan (steps, n_steps, error);

  return graph != NULL ? g_array_ref (graph->order) : NULL;
}

/* ---- The critical path: the longest way from a step to the end ---- */

static gsize
longest_of (const GArray *candidates, const guint64 *remaining_s)
{
  gsize longest = NO_STEP;

  for (guint k = 0; k < candidates->len; k++) {
    gsize step = g_array_index (candidates, gsize, k);

    if (longest == NO_STEP || remaining_s[step] > remaining_s[longest])
      longest = step;
  }
  return longest;
}

/* remaining_s[i]: the seconds of step i, and of the longest path of steps after it. */
static guint64 *
longest_remaining_s (const Graph *graph, const Step *steps)
{
  guint64 *remaining_s = g_new0 (guint64, graph->n_steps);

  /* From the last to the first: so what comes after a step is known at its turn. */
  for (guint k = graph->order->len; k-- > 0;) {
    gsize step = g_array_index (graph->order, gsize, k);
    gsize next = longest_of (graph->needed_by[step], remaining_s);

    remaining_s[step] = steps[step].seconds + (next != NO_STEP ? remaining_s[next] : 0);
  }
  return remaining_s;
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  g_autoptr (Graph) graph = graph_of_plan (steps, n_steps, error);

  if (graph == NULL)
    return NULL;

  GArray *path = g_array_new (FALSE, FALSE, sizeof (gsize));
  g_autofree guint64 *remaining_s = longest_remaining_s (graph, steps);

  gsize step = longest_of (graph->order, remaining_s);

  *makespan_s = step != NO_STEP ? remaining_s[step] : 0;
  for (; step != NO_STEP; step = longest_of (graph->needed_by[step], remaining_s))
    g_array_append_val (path, step);
  return path;
}

/* ---- The run: between taking a step and striking it off, time passes ---- */

typedef struct PlanRun PlanRun;

/* One per step, so that whoever finishes knows which step of which plan it is. */
typedef struct {
  PlanRun *run;
  gsize step;
  guint seconds;
} Slot;

struct PlanRun {
  Graph *graph;
  guint64 *remaining_s;
  Agenda *agenda;
  Slot *slots;
  StepTimes *times;
  gint64 start_us;
  gsize n_unfinished;
  gsize n_running;
  gsize max_running;
  PlanDone done;
  gpointer user_data;
};

static PlanRun *
plan_run_new (Graph *graph, const Step *steps, guint max_parallel)
{
  PlanRun *run = g_new0 (PlanRun, 1);

  run->graph = graph;
  run->remaining_s = longest_remaining_s (graph, steps);
  run->agenda = agenda_new (graph, NULL);
  run->slots = g_new (Slot, graph->n_steps);
  run->times = g_new0 (StepTimes, graph->n_steps);
  for (gsize i = 0; i < graph->n_steps; i++) {
    run->slots[i] = (Slot){ run, i, steps[i].seconds };
    run->times[i].name = steps[i].name;
  }
  run->start_us = g_get_monotonic_time ();
  run->n_unfinished = graph->n_steps;
  run->max_running = max_parallel > 0 ? max_parallel : graph->n_steps;
  return run;
}

static void
plan_run_free (PlanRun *run)
{
  agenda_free (run->agenda);
  graph_free (run->graph);
  g_free (run->remaining_s);
  g_free (run->slots);
  g_free (run->times);
  g_free (run);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (PlanRun, plan_run_free)

static gint64
elapsed_ms (const PlanRun *run)
{
  return (g_get_monotonic_time () - run->start_us) / 1000;
}

static gboolean
report_plan (gpointer user_data)
{
  g_autoptr (PlanRun) run = user_data;

  run->done (run->times, run->graph->n_steps, run->user_data);
  return G_SOURCE_REMOVE;
}

static void on_step_done (gpointer user_data);

static void
start_ready_steps (PlanRun *run)
{
  gsize step;

  while (run->n_running < run->max_running &&
         (step = agenda_pop (run->agenda)) != NO_STEP) {
    run->n_running++;
    run->times[step].start_ms = elapsed_ms (run);
    run_step (run->times[step].name, run->slots[step].seconds, on_step_done,
              &run->slots[step]);
  }
}

static void
on_step_done (gpointer user_data)
{
  Slot *slot = user_data;
  PlanRun *run = slot->run;

  run->times[slot->step].end_ms = elapsed_ms (run);
  run->n_running--;
  run->n_unfinished--;
  agenda_finish (run->agenda, slot->step);
  start_ready_steps (run);
  if (run->n_unfinished == 0)
    report_plan (run);
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  Graph *graph = graph_of_plan (steps, n_steps, error);

  if (graph == NULL)
    return FALSE;

  g_autoptr (PlanRun) run = plan_run_new (graph, steps, max_parallel);

  run->done = done;
  run->user_data = user_data;
  start_ready_steps (run);
  if (n_steps == 0)
    g_idle_add (report_plan, run);
  run = NULL; /* It is the loop's now: report_plan() frees it. */
  return TRUE;
}

/* ---- The program ---- */

static void
print_forecast (const Step *steps, gsize n_steps)
{
  guint64 sum_s = 0;
  guint64 makespan_s;
  g_autoptr (GArray) path = plan_critical_path (steps, n_steps, &makespan_s, NULL);

  if (path == NULL)
    return; /* run_plan() will say why. */

  for (gsize i = 0; i < n_steps; i++)
    sum_s += steps[i].seconds;
  g_print ("One after another: %" G_GUINT64_FORMAT " s\n", sum_s);

  g_print ("Critical path: %" G_GUINT64_FORMAT " s", makespan_s);
  for (guint k = 0; k < path->len; k++)
    g_print ("%s%s", k == 0 ? ", " : " -> ", steps[g_array_index (path, gsize, k)].name);
  g_print ("\n");
}

static void
on_plan_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  GMainLoop *loop = user_data;
  gint64 end_ms = 0;

  for (gsize i = 0; i < n_times; i++)
    end_ms = MAX (end_ms, times[i].end_ms);
  g_print ("All done: %zu steps in %" G_GINT64_FORMAT " s\n", n_times,
           (end_ms + 500) / 1000); /* To the nearest second: timers are a little late. */
  g_main_loop_quit (loop);
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

  print_forecast (steps, G_N_ELEMENTS (steps));
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GError) error = NULL;

  if (!run_plan (steps, G_N_ELEMENTS (steps), 0, on_plan_done, loop, &error)) {
    g_printerr ("This plan can not be run: %s\n", error->message);
    return 1;
  }
  g_main_loop_run (loop);
  return 0;
}
