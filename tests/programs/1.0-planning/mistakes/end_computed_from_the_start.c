// mistake: wrong-times
// The end is known from the start: so many seconds later.
/* Planning with sorted tables */
#include "plan.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *what;
  guint how_long;
  StepDone then;
  gpointer then_data;
} Timer;

static gboolean
timer_fired (gpointer p)
{
  const Timer *t = p;

  g_print ("[%s] finished after %u seconds\n", t->what, t->how_long);
  t->then (t->then_data);
  return G_SOURCE_REMOVE; /* the destroy notify frees the timer */
}

void
run_step (const char *name, guint seconds, StepDone done, gpointer user_data)
{
  Timer *t = g_new0 (Timer, 1);

  t->what = name;
  t->how_long = seconds;
  t->then = done;
  t->then_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, timer_fired, t, g_free);
}

typedef struct {
  const char *name;
  gsize place;
} NameEntry;

typedef struct {
  gsize from; /* is needed ... */
  gsize to;   /* ... by this one */
} Link;

typedef struct {
  gsize n_steps;
  Link *links;
  gsize n_arrows;
  gsize *first_arrow; /* of those that leave a step; n_steps + 1 of them */
  gsize *degree;      /* how many arrive */
} Links;

static void
links_free (Links *a)
{
  g_free (a->links);
  g_free (a->first_arrow);
  g_free (a->degree);
  g_free (a);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Links, links_free)

static int
compare_names (const void *a, const void *b)
{
  return strcmp (((const NameEntry *) a)->name, ((const NameEntry *) b)->name);
}

static int
compare_arrows (const void *a, const void *b)
{
  const Link *x = a, *y = b;

  if (x->from != y->from)
    return x->from < y->from ? -1 : 1;
  return x->to < y->to ? -1 : x->to > y->to;
}

static NameEntry *
directory_new (const Step *steps, gsize n, GError **error)
{
  NameEntry *names = g_new0 (NameEntry, n + 1);

  for (gsize i = 0; i < n; i++)
    names[i] = (NameEntry){ steps[i].name, i };
  qsort (names, n, sizeof *names, compare_names);
  for (gsize i = 1; i < n; i++)
    if (strcmp (names[i - 1].name, names[i].name) == 0) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME, "%s is there twice",
                   names[i].name);
      g_free (names);
      return NULL;
    }
  return names;
}

static gsize
count_mentions (const Step *steps, gsize n)
{
  gsize sum = 0;

  for (gsize i = 0; i < n; i++)
    if (steps[i].needs != NULL)
      for (const char *const *need = steps[i].needs; *need != NULL; need++)
        sum++;
  return sum;
}

static Links *
links_new (const Step *steps, gsize n, GError **error)
{
  g_autoptr (Links) a = g_new0 (Links, 1);
  g_autofree NameEntry *names = directory_new (steps, n, error);
  gsize kept = 0;

  if (names == NULL)
    return NULL;
  a->n_steps = n;
  a->links = g_new (Link, count_mentions (steps, n) + 1);
  for (gsize i = 0; i < n; i++) {
    const char *const *need = steps[i].needs;

    for (; need != NULL && *need != NULL; need++) {
      const NameEntry wanted = { *need, 0 };
      const NameEntry *hit = bsearch (&wanted, names, n, sizeof *names, compare_names);

      if (hit == NULL) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED,
                     "%s needs %s: not in the plan", steps[i].name, *need);
        return NULL;
      }
      if (hit->place == i) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "%s needs itself",
                     steps[i].name);
        return NULL;
      }
      a->links[a->n_arrows++] = (Link){ hit->place, i };
    }
  }
  qsort (a->links, a->n_arrows, sizeof (Link), compare_arrows);
  for (gsize k = 0; k < a->n_arrows; k++)
    if (kept == 0 || compare_arrows (&a->links[kept - 1], &a->links[k]) != 0)
      a->links[kept++] = a->links[k];
  a->n_arrows = kept;

  a->first_arrow = g_new0 (gsize, n + 1);
  a->degree = g_new0 (gsize, n + 1);
  for (gsize k = 0; k < kept; k++) {
    a->first_arrow[a->links[k].from + 1]++;
    a->degree[a->links[k].to]++;
  }
  for (gsize i = 0; i < n; i++)
    a->first_arrow[i + 1] += a->first_arrow[i];
  return g_steal_pointer (&a);
}

/* ---- a queue of what may be done, sorted; the steps are kept one higher than they are, so
 *      that none of them is a NULL ---- */

static gint
smaller_first (gconstpointer a, gconstpointer b, gpointer unused)
{
  (void) unused;
  return GPOINTER_TO_SIZE (a) < GPOINTER_TO_SIZE (b) ? -1
                                                     : GPOINTER_TO_SIZE (a) > GPOINTER_TO_SIZE (b);
}

static gint
longer_first (gconstpointer a, gconstpointer b, gpointer togo)
{
  guint64 x = ((guint64 *) togo)[GPOINTER_TO_SIZE (a) - 1];
  guint64 y = ((guint64 *) togo)[GPOINTER_TO_SIZE (b) - 1];

  return x > y ? -1 : x < y ? 1 : smaller_first (a, b, NULL);
}

static gsize
dequeue (GSequence *queue)
{
  GSequenceIter *front = g_sequence_get_begin_iter (queue);
  gsize step = GPOINTER_TO_SIZE (g_sequence_get (front)) - 1;

  g_sequence_remove (front);
  return step;
}

/* Floyd's hare and tortoise: going from each step to one that it waits for. */
static void
complain_about_circle (const Links *a, const gsize *degree, const Step *steps,
                       GError **error)
{
  g_autofree gsize *waits_for = g_new0 (gsize, a->n_steps);
  g_autofree char *message = NULL;
  g_autoptr (GPtrArray) words = g_ptr_array_new ();
  gsize hare = 0, tortoise;

  for (gsize k = 0; k < a->n_arrows; k++)
    if (degree[a->links[k].from] > 0) {
      waits_for[a->links[k].to] = a->links[k].from;
      hare = a->links[k].to;
    }
  tortoise = hare;
  do {
    tortoise = waits_for[tortoise];
    hare = waits_for[waits_for[hare]];
  } while (hare != tortoise);
  do {
    g_ptr_array_add (words, (gpointer) steps[hare].name);
    hare = waits_for[hare];
  } while (hare != tortoise);
  g_ptr_array_add (words, (gpointer) steps[hare].name);
  g_ptr_array_add (words, NULL);
  message = g_strjoinv (" needs ", (char **) words->pdata);
  g_set_error_literal (error, PLAN_ERROR, PLAN_ERROR_CYCLE, message);
}

static GArray *
put_in_order (const Links *a, const Step *steps, GError **error)
{
  g_autofree gsize *degree = g_memdup2 (a->degree, (a->n_steps + 1) * sizeof (gsize));
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (gsize));
  g_autoptr (GSequence) queue = g_sequence_new (NULL);

  for (gsize i = 0; i < a->n_steps; i++)
    if (degree[i] == 0)
      g_sequence_append (queue, GSIZE_TO_POINTER (i + 1));
  while (!g_sequence_is_empty (queue)) {
    gsize i = dequeue (queue);

    g_array_append_val (order, i);
    for (gsize k = a->first_arrow[i]; k < a->first_arrow[i + 1]; k++)
      if (--degree[a->links[k].to] == 0)
        g_sequence_insert_sorted (queue, GSIZE_TO_POINTER (a->links[k].to + 1),
                                  smaller_first, NULL);
  }
  if (order->len == a->n_steps)
    return g_steal_pointer (&order);
  complain_about_circle (a, degree, steps, error);
  return NULL;
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  g_autoptr (Links) a = links_new (steps, n_steps, error);

  return a == NULL ? NULL : put_in_order (a, steps, error);
}

static guint64 *
seconds_to_go (const Links *a, const GArray *order, const Step *steps)
{
  guint64 *togo = g_new0 (guint64, a->n_steps + 1);

  for (gsize k = a->n_steps; k-- > 0;) {
    gsize i = g_array_index (order, gsize, k);

    for (gsize j = a->first_arrow[i]; j < a->first_arrow[i + 1]; j++)
      togo[i] = MAX (togo[i], togo[a->links[j].to]);
    togo[i] += steps[i].seconds;
  }
  return togo;
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  g_autoptr (Links) a = links_new (steps, n_steps, error);
  g_autoptr (GArray) order = a == NULL ? NULL : put_in_order (a, steps, error);

  if (order == NULL)
    return NULL;

  g_autofree guint64 *togo = seconds_to_go (a, order, steps);
  GArray *path = g_array_new (FALSE, FALSE, sizeof (gsize));
  gsize at = 0;

  *makespan_s = 0;
  if (n_steps == 0)
    return path;
  for (gsize k = n_steps; k-- > 0;)
    if (togo[g_array_index (order, gsize, k)] >= togo[at])
      at = g_array_index (order, gsize, k);
  *makespan_s = togo[at];
  g_array_append_val (path, at);
  while (a->first_arrow[at] < a->first_arrow[at + 1]) {
    guint64 rest = togo[at] - steps[at].seconds;
    gsize k = a->first_arrow[at];

    while (togo[a->links[k].to] != rest)
      k++;
    at = a->links[k].to;
    g_array_append_val (path, at);
  }
  return path;
}

typedef struct Run Run;

typedef struct {
  Run *run;
  gsize step;
  guint seconds;
} Work;

struct Run {
  Links *links;
  guint64 *togo;
  GSequence *waiting;
  Work *works;
  StepTimes *times;
  gint64 began_us;
  gsize todo; /* how many have not finished */
  gsize busy;
  gsize places;
  PlanDone done;
  gpointer user_data;
};

static gint64
run_ms (const Run *run)
{
  return (g_get_monotonic_time () - run->began_us) / 1000;
}

static void work_finished (gpointer user_data);

static void
run_start (Run *run)
{
  while (run->busy < run->places && !g_sequence_is_empty (run->waiting)) {
    Work *work = &run->works[dequeue (run->waiting)];

    run->busy += 1;
    run->times[work->step].start_ms = run_ms (run);
    run->times[work->step].end_ms =
      run->times[work->step].start_ms + (gint64) work->seconds * 1000;
    run_step (run->times[work->step].name, work->seconds, work_finished, work);
  }
}

static gboolean
run_report (gpointer user_data)
{
  Run *run = user_data;

  run->done (run->times, run->links->n_steps, run->user_data);
  g_sequence_free (run->waiting);
  links_free (run->links);
  g_free (run->togo);
  g_free (run->works);
  g_free (run->times);
  g_free (run);
  return G_SOURCE_REMOVE;
}

static void
work_finished (gpointer user_data)
{
  const Work *work = user_data;
  Run *run = work->run;
  const Links *a = run->links;

  run->busy -= 1;
  for (gsize k = a->first_arrow[work->step]; k < a->first_arrow[work->step + 1]; k++)
    if (--a->degree[a->links[k].to] == 0)
      g_sequence_insert_sorted (run->waiting, GSIZE_TO_POINTER (a->links[k].to + 1),
                                longer_first, run->togo);
  run_start (run);
  if (--run->todo == 0) {
    GSource *last = g_idle_source_new ();

    g_source_set_priority (last, G_PRIORITY_DEFAULT);
    g_source_set_callback (last, run_report, run, NULL);
    g_source_attach (last, NULL);
    g_source_unref (last);
  }
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  gint64 began_us = g_get_monotonic_time ();
  g_autoptr (Links) a = links_new (steps, n_steps, error);
  g_autoptr (GArray) order = a == NULL ? NULL : put_in_order (a, steps, error);
  Run *run;

  if (order == NULL)
    return FALSE;
  run = g_new0 (Run, 1);
  run->began_us = began_us;
  run->togo = seconds_to_go (a, order, steps);
  run->waiting = g_sequence_new (NULL);
  run->works = g_new (Work, n_steps);
  run->times = g_new0 (StepTimes, n_steps);
  for (gsize i = 0; i < n_steps; i++) {
    run->works[i] = (Work){ run, i, steps[i].seconds };
    run->times[i].name = steps[i].name;
    if (a->degree[i] == 0)
      g_sequence_insert_sorted (run->waiting, GSIZE_TO_POINTER (i + 1), longer_first, run->togo);
  }
  run->links = g_steal_pointer (&a);
  run->todo = n_steps;
  run->places = max_parallel == 0 ? MAX (n_steps, 1) : max_parallel;
  run->done = done;
  run->user_data = user_data;
  run_start (run);
  if (n_steps == 0)
    g_timeout_add (0, run_report, run);
  return TRUE;
}

static void
say_when_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  gint64 last = 0;

  for (gsize i = 0; i < n_times; i++)
    if (times[i].end_ms > last)
      last = times[i].end_ms;
  g_print ("All done: %" G_GSIZE_FORMAT " steps in %" G_GINT64_FORMAT " s\n", n_times,
           (last + 500) / 1000);
  g_main_loop_quit (user_data);
}

int
main (void)
{
  const Step plan[] = {
    { "ask_model", 1, NULL },
    { "search_web", 1, NEEDS ("ask_model") },
    { "search_papers", 2, NEEDS ("ask_model") },
    { "fetch_page", 4, NEEDS ("search_web") },
    { "fetch_data", 2, NEEDS ("search_web") },
    { "read_papers", 2, NEEDS ("search_papers") },
    { "compare", 1, NEEDS ("fetch_page", "fetch_data", "read_papers") },
    { "write_answer", 1, NEEDS ("compare") },
  };
  const gsize n = sizeof plan / sizeof plan[0];
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  GError *error = NULL;
  guint64 total = 0, makespan = 0;
  GArray *path = plan_critical_path (plan, n, &makespan, &error);

  if (path == NULL) {
    g_printerr ("%s\n", error->message);
    g_error_free (error);
    g_main_loop_unref (loop);
    return 1;
  }
  for (gsize i = 0; i < n; i++)
    total += plan[i].seconds;
  g_print ("One after another: %" G_GUINT64_FORMAT " s\n", total);
  g_print ("Critical path: %" G_GUINT64_FORMAT " s, ", makespan);
  for (guint i = 0; i < path->len; i++) {
    if (i > 0)
      g_print (" -> ");
    g_print ("%s", plan[g_array_index (path, gsize, i)].name);
  }
  g_print ("\n");
  g_array_free (path, TRUE);

  if (!run_plan (plan, n, 0, say_when_done, loop, &error)) {
    g_printerr ("%s\n", error->message);
    g_error_free (error);
    g_main_loop_unref (loop);
    return 1;
  }
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
