/* SPDX-License-Identifier: MIT
 *
 * Contract tests of module 0.5: run_experiment() and gather_experiments() on experiments
 * that their author has never seen, on the virtual clock.
 *
 * The experiments of each test come from scenarios.py, which also knows what they must
 * print and when; what only the caller can see is required here.  The first argument of
 * each failure is the diagnosis that it stands for.
 */
#include "experiments.h"

#include "harness.h"

#include <stdlib.h>
#include <string.h>

/* Timers have whole milliseconds; nothing else takes time on the virtual clock. */
static const double EXACT_S = 0.0015;

/* A program may look only so often whether everything has finished. */
static const double PROMPT_S = 0.11;

/* A timer that fires again does so after its interval; longer than this we do not wait.
 */
enum { AFTERWARDS_S = 60, PATIENCE_S = 5 };

/* Beyond the three of main: whoever gets so far has not written them down one by one. */
enum { MANY = 8 };

/* ---- The experiments of the running test ---- */

/* Reads "<seconds> <name>" lines.  Names are copies in blocks of their own. */
static Experiment *
given_experiments (gsize *n_experiments)
{
  const char *const *lines = contract_given ();

  *n_experiments = g_strv_length ((char **) lines);
  Experiment *experiments = g_new (Experiment, *n_experiments);
  for (gsize i = 0; i < *n_experiments; i++) {
    char *rest;
    experiments[i].seconds = (guint) strtoul (lines[i], &rest, 10);
    experiments[i].name = g_strdup (rest + 1);
  }
  return experiments;
}

static guint
longest_s (const Experiment *experiments, gsize n_experiments)
{
  guint longest = 0;

  for (gsize i = 0; i < n_experiments; i++)
    longest = MAX (longest, experiments[i].seconds);
  return longest;
}

/* ---- What a callback saw ---- */

typedef struct {
  const Experiment *expected;
  gsize n_expected;
  double started_s;
  guint last_s;      /* when the report is due, after started_s */
  const char *early; /* the diagnosis if it comes before that */
  double after_s;    /* when it came, after started_s */
  gboolean is_early; /* ... and that was too early */
  gboolean returned; /* the function under test has returned */
  gboolean done;
  gboolean is_other;      /* the call was given another callback than those beside it */
  const gboolean *beside; /* done of a Watch under way at the same time; or NULL */
  double late_s;          /* how much later than due the report may be, to be prompt */
  guint n_calls;
  gboolean captures; /* what is printed */
  char *printed;     /* ... and this was before done was called, owned; NULL: none was */
} Watch;

/* What the callbacks may be given: a wrong pointer is not followed. */
static GHashTable *passed_data;

static gpointer
passed (gpointer user_data)
{
  if (passed_data == NULL)
    passed_data = g_hash_table_new (NULL, NULL);
  g_hash_table_add (passed_data, user_data);
  return user_data;
}

static void
require_passed (gpointer user_data)
{
  contract_require (g_hash_table_contains (passed_data, user_data), "wrong-user-data",
                    "done was given another user_data than the caller had passed");
}

#define TOO_EARLY                                                                        \
  "done was called %.3f s after the start, but the last of the experiments takes %u s"

/* From now on, for experiments that all finish at the same time: see require_order(). */
static void
start_capture (Watch *watch)
{
  contract_capture_start ();
  watch->captures = TRUE;
}

static gboolean
has_finished_line (const char *text, const Experiment *experiment)
{
  g_autofree char *line = g_strdup_printf ("[%s] finished after %u seconds",
                                           experiment->name, experiment->seconds);

  return strstr (text, line) != NULL;
}

static char *
stop_capture (Watch *watch)
{
  watch->captures = FALSE;
  return contract_capture_stop ();
}

/* How many of the lines have not come before done was called. */
static gsize
count_missing_lines (const Watch *watch)
{
  gsize n_missing = 0;

  for (gsize i = 0; i < watch->n_expected; i++)
    n_missing += !has_finished_line (watch->printed, &watch->expected[i]);
  return n_missing;
}

/* First the lines, then done; only what comes in the wrong order is wrong here.  Whoever
 * calls done before his own line is one line behind; if there are more, others have not
 * finished. */
static void
require_order (Watch *watch)
{
  g_autofree char *later = stop_capture (watch);

  for (gsize i = 0; watch->printed != NULL && i < watch->n_expected; i++)
    contract_require (
        !has_finished_line (later, &watch->expected[i]) ||
            has_finished_line (watch->printed, &watch->expected[i]),
        count_missing_lines (watch) > 1 ? "done-too-early" : "output-differs",
        "done was called before '[%s] finished after %u seconds' was printed",
        watch->expected[i].name, watch->expected[i].seconds);
}

/* Whether the report came when it was due.  If it came too early the test goes on,
 * because a second report would tell more, unless it dies of what was freed too early. */
static gboolean
note_report (Watch *watch)
{
  watch->after_s = contract_now_s () - watch->started_s;
  watch->n_calls++;
  if (watch->captures && watch->printed == NULL) {
    watch->printed = contract_capture_stop ();
    contract_capture_start ();
  }
  contract_require (watch->n_calls == 1,
                    watch->beside != NULL && !*watch->beside ? "shared-state"
                                                             : "done-twice",
                    "done was called %u times, not once", watch->n_calls);
  contract_require (watch->returned || watch->after_s < EXACT_S, "blocks-the-loop",
                    "the function that was given done waited for %.3f s instead of "
                    "returning, and called it",
                    watch->after_s);
  contract_require (watch->returned, "done-too-early",
                    "done was called before the function that was given it had returned");
  watch->is_early = watch->after_s < watch->last_s - EXACT_S;
  watch->done = !watch->is_early;
  if (watch->is_early)
    contract_note (watch->early, TOO_EARLY, watch->after_s, watch->last_s);
  if (watch->printed == NULL || count_missing_lines (watch) <= 1 ||
      count_missing_lines (watch) == watch->n_expected)
    return watch->done;
  contract_note ("done-too-early",
                 "done was called when %zu of %zu experiments had not finished",
                 count_missing_lines (watch), watch->n_expected);
  return FALSE; /* What else is wrong now is wrong because of that. */
}

static void
require_whole_name (const char *name, const char *expected)
{
  gsize length = name != NULL ? strlen (name) : 0;

  contract_require (length == 0 || length >= strlen (expected) ||
                        !g_str_has_prefix (expected, name),
                    "output-differs",
                    "a name that done was given is cut off after %zu of %zu characters: "
                    "'%.40s...'",
                    length, strlen (expected), name);
}

/* A wrong name that is another experiment's was overwritten; any other is no name at all.
 */
static const char *
diagnose_name (const char *name)
{
  for (const char *const *line = contract_given (); name != NULL && *line != NULL; line++)
    if (g_str_has_suffix (*line, name))
      return "shared-state";
  return "dangling-user-data";
}

static void
require_own_callback (const Watch *watch, gboolean is_other)
{
  contract_require (
      watch->is_other == is_other, "shared-state",
      "two calls at once had different callbacks: the one of the other call "
      "was called");
}

static void
take_experiment (const char *name, guint seconds, Watch *watch)
{
  if (!note_report (watch))
    return;
  require_whole_name (name, watch->expected->name);
  contract_require (g_strcmp0 (name, watch->expected->name) == 0, diagnose_name (name),
                    "done was given the name '%s', expected '%s'", name,
                    watch->expected->name);
  contract_require (seconds == watch->expected->seconds, "wrong-unit",
                    "done was given %u seconds, expected %u", seconds,
                    watch->expected->seconds);
}

static void
on_experiment_done (const char *name, guint seconds, gpointer user_data)
{
  require_passed (user_data);
  require_own_callback (user_data, FALSE);
  take_experiment (name, seconds, user_data);
}

static void
on_other_experiment_done (const char *name, guint seconds, gpointer user_data)
{
  require_passed (user_data);
  require_own_callback (user_data, TRUE);
  take_experiment (name, seconds, user_data);
}

static gboolean
is_expected_result (const Watch *watch, gsize i, const Experiment *result)
{
  return g_strcmp0 (result->name, watch->expected[i].name) == 0 &&
         result->seconds == watch->expected[i].seconds;
}

static gboolean
is_there (const Watch *watch, gsize i, const Experiment *results)
{
  for (gsize k = 0; k < watch->n_expected; k++)
    if (is_expected_result (watch, i, &results[k]))
      return TRUE;
  return FALSE;
}

/* The id for results that are all there, but not where they belong, is completion-order.
 * One that has the right name is only wrong; any other was overwritten or lost, unless
 * there is nobody to do that. */
static const char *
diagnose_results (const Watch *watch, const Experiment *results)
{
  for (gsize i = 0; i < watch->n_expected; i++) {
    if (is_there (watch, i, results))
      continue;
    gboolean named = g_strcmp0 (results[i].name, watch->expected[i].name) == 0;
    return named || watch->n_expected == 1 ? "output-differs" : "shared-state";
  }
  return "completion-order";
}

/* Too few of many are those that a table of fixed size has room for. */
static const char *
diagnose_number (const Watch *watch, gsize n_results)
{
  gboolean is_table = n_results >= MANY && n_results + 1 < watch->n_expected;

  return is_table ? "hard-coded" : "output-differs";
}

static void
take_results (const Experiment *results, gsize n_results, Watch *watch)
{
  if (!note_report (watch))
    return;
  contract_require (n_results == watch->n_expected, diagnose_number (watch, n_results),
                    "done was given %zu results, expected %zu", n_results,
                    watch->n_expected);
  for (gsize i = 0; i < n_results; i++) {
    require_whole_name (results[i].name, watch->expected[i].name);
    contract_require (
        is_expected_result (watch, i, &results[i]), diagnose_results (watch, results),
        "results[%zu] is ('%s', %u), expected ('%s', %u)", i, results[i].name,
        results[i].seconds, watch->expected[i].name, watch->expected[i].seconds);
  }
}

static void
on_gather_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  require_passed (user_data);
  require_own_callback (user_data, FALSE);
  take_results (results, n_results, user_data);
}

static void
on_other_gather_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  require_passed (user_data);
  require_own_callback (user_data, TRUE);
  take_results (results, n_results, user_data);
}

/* ---- One call, watched ---- */

static void
require_returned_at_once (Watch *watch, const char *function)
{
  double took_s = contract_now_s () - watch->started_s;

  watch->returned = TRUE;
  contract_require (took_s < EXACT_S, "blocks-the-loop",
                    "%s returned after %.3f s, expected at once", function, took_s);
}

static void
start_experiment_as (gboolean is_other, Watch *watch, const Experiment *experiment)
{
  *watch = (Watch){ .is_other = is_other,
                    .expected = experiment,
                    .n_expected = 1,
                    .last_s = experiment->seconds,
                    .early = "wrong-unit" };
  watch->started_s = contract_now_s ();
  run_experiment (experiment->name, experiment->seconds,
                  is_other ? on_other_experiment_done : on_experiment_done,
                  passed (watch));
  require_returned_at_once (watch, "run_experiment");
}

static void
start_experiment (Watch *watch, const Experiment *experiment)
{
  start_experiment_as (FALSE, watch, experiment);
}

static void
start_gather_as (gboolean is_other, Watch *watch, const Experiment *experiments,
                 gsize n_experiments)
{
  *watch = (Watch){ .is_other = is_other,
                    .expected = experiments,
                    .n_expected = n_experiments,
                    .last_s = longest_s (experiments, n_experiments),
                    .early = "done-too-early" };
  watch->started_s = contract_now_s ();
  gather_experiments (experiments, n_experiments,
                      is_other ? on_other_gather_done : on_gather_done, passed (watch));
  require_returned_at_once (watch, "gather_experiments");
}

static void
start_gather (Watch *watch, const Experiment *experiments, gsize n_experiments)
{
  start_gather_as (FALSE, watch, experiments, n_experiments);
}

/* Wait for the report, and long enough after it to see a second one. */
static void
require_report (Watch *watch)
{
  double due_s = watch->started_s + watch->last_s;

  contract_run_until (&watch->done,
                      due_s + watch->late_s + PATIENCE_S - contract_now_s ());
  if (watch->captures && !watch->done)
    g_free (stop_capture (watch));
  contract_require (!watch->is_early, watch->early, TOO_EARLY, watch->after_s,
                    watch->last_s);
  contract_require (
      watch->done, "never-quits",
      "done was not called when it was due, at %.3f s, nor within %d s of it", due_s,
      PATIENCE_S);
  contract_require (watch->after_s < watch->last_s + watch->late_s + PROMPT_S,
                    "wrong-elapsed", "done was called %.3f s later than it was due",
                    watch->after_s - watch->last_s);
  /* Until a moment that the oracle knows, however late the report was. */
  contract_run_for (due_s + MIN (watch->last_s, AFTERWARDS_S) + 1 - contract_now_s ());
  if (watch->captures)
    require_order (watch);
}

static void
gather_given (void)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Watch watch;

  start_gather (&watch, experiments, n);
  require_report (&watch);
}

/* Experiments that all finish at the same moment. */
static void
gather_given_in_order (void)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Watch watch;

  start_gather (&watch, experiments, n);
  start_capture (&watch);
  require_report (&watch);
}

/* ---- run_experiment ---- */

/* One experiment after another, each alone. */
static void
run_given_one_by_one (void)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);

  for (gsize i = 0; i < n; i++) {
    Watch watch;
    start_experiment (&watch, &experiments[i]);
    require_report (&watch);
  }
}

START_TEST (experiment_takes_its_seconds)
{
  run_given_one_by_one ();
}
END_TEST

START_TEST (experiment_of_zero_seconds_waits_for_the_loop)
{
  run_given_one_by_one ();
}
END_TEST

START_TEST (experiment_of_minutes)
{
  run_given_one_by_one ();
}
END_TEST

/* What does not fit into its type is over early, be it in the first minute. */
START_TEST (experiments_of_hours)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  g_autofree Watch *watches = g_new (Watch, n);

  for (gsize i = 0; i < n; i++)
    start_experiment (&watches[i], &experiments[i]);
  gboolean ticks = contract_ticks ();
  for (gsize i = 0; i < n; i++)
    contract_require (watches[i].n_calls == 0, watches[i].early, TOO_EARLY,
                      watches[i].after_s, watches[i].last_s);
  contract_be_quiet (); /* Whether lines come now depends on the ticks. */
  for (gsize i = 0; i < n && !ticks; i++)
    require_report (&watches[i]);
}
END_TEST

START_TEST (experiment_with_an_unusual_name)
{
  run_given_one_by_one ();
}
END_TEST

static gsize
count_started (const char *printed, const Experiment *experiments, gsize n_experiments)
{
  gsize n_started = 0;

  for (gsize i = 0; i < n_experiments; i++) {
    g_autofree char *line = g_strdup_printf ("[%s] starting...", experiments[i].name);
    n_started += strstr (printed, line) != NULL;
  }
  return n_started;
}

/* Fail unless @printed, what the function under test wrote before it returned, has the
 * starting line of each experiment.  If only some have, see whether the others come. */
static void
require_all_started (const char *function, const char *printed,
                     const Experiment *experiments, gsize n_experiments)
{
  gsize n_started = count_started (printed, experiments, n_experiments);

  if (n_started == n_experiments)
    return;
  contract_capture_start ();
  contract_run_for (longest_s (experiments, n_experiments) * n_experiments);
  g_autofree char *later = contract_capture_stop ();
  gsize n_later = count_started (later, experiments, n_experiments);
  gboolean waited = n_started > 0 && n_started + n_later == n_experiments;
  gboolean forgotten = n_started > 0 && n_later == 0;
  contract_fail (waited      ? "sequential"
                 : forgotten ? "hard-coded"
                             : "output-differs",
                 "when %s returned, %zu of %zu experiments had printed that they start "
                 "(and later %zu more): its caller relies on that",
                 function, n_started, n_experiments, n_later);
}

/* The second one starts half a second after the first, which is longer under way.  Timers
 * of whole seconds may be half a second late then, but nothing may be early. */
START_TEST (experiment_between_two_seconds)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Watch first;
  Watch second;

  start_experiment (&first, &experiments[0]);
  contract_run_for (0.5);
  start_experiment (&second, &experiments[1]);
  second.late_s = 0.5;
  first.beside = &second.done;
  second.beside = &first.done;
  contract_run_until (&second.done, experiments[1].seconds + 1);
  require_report (&first);
  require_report (&second);
}
END_TEST

START_TEST (experiment_starts_before_it_returns)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Watch watch;

  contract_capture_start ();
  start_experiment (&watch, &experiments[0]);
  g_autofree char *printed = contract_capture_stop ();

  require_all_started ("run_experiment", printed, experiments, 1);
  start_capture (&watch);
  require_report (&watch);
}
END_TEST

START_TEST (experiments_side_by_side)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  g_autofree Watch *watches = g_new (Watch, n);

  for (gsize i = 0; i < n; i++)
    start_experiment_as (i % 2 == 1, &watches[i], &experiments[i]);
  for (gsize i = 0; i < n; i++)
    contract_run_until (&watches[i].done, longest_s (experiments, n) + 1);
  for (gsize i = 0; i < n; i++)
    require_report (&watches[i]);
}
END_TEST

/* ---- gather_experiments ---- */

START_TEST (gather_slowest_first)
{
  gather_given ();
}
END_TEST

/* Two of them are even one string. */
START_TEST (gather_equal_names)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Watch watch;

  experiments[n - 1].name = experiments[0].name;
  start_gather (&watch, experiments, n);
  require_report (&watch);
}
END_TEST

START_TEST (gather_equal_seconds)
{
  gather_given_in_order ();
}
END_TEST

START_TEST (gather_of_no_seconds)
{
  gather_given_in_order ();
}
END_TEST

/* More microseconds than 32 bits hold. */
START_TEST (gather_of_hours)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Watch watch;

  start_gather (&watch, experiments, n);
  gboolean ticks = contract_ticks ();
  contract_require (watch.n_calls == 0, watch.early, TOO_EARLY, watch.after_s,
                    watch.last_s);
  if (!ticks) /* It would take too long. */
    require_report (&watch);
}
END_TEST

START_TEST (gather_one)
{
  gather_given ();
}
END_TEST

START_TEST (gather_two)
{
  gather_given ();
}
END_TEST

/* It is the number that says that there is nothing, not the pointer. */
START_TEST (gather_none)
{
  const Experiment unused = { "unused", 1 };
  Watch watch;

  start_gather (&watch, &unused, 0);
  require_report (&watch);
}
END_TEST

START_TEST (gather_none_twice)
{
  Watch first;
  Watch second;

  start_gather (&first, NULL, 0);
  start_gather (&second, NULL, 0);
  first.beside = &second.done;
  second.beside = &first.done;
  contract_run_until (&first.done, PATIENCE_S);
  contract_run_until (&second.done, PATIENCE_S);
  contract_require (first.done == second.done, "shared-state",
                    "of two gathers of nothing, started one after the other, only one "
                    "called done");
  require_report (&first);
  require_report (&second);
}
END_TEST

START_TEST (gather_starts_all_before_it_returns)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Watch watch;

  contract_capture_start ();
  start_gather (&watch, experiments, n);
  g_autofree char *printed = contract_capture_stop ();

  require_all_started ("gather_experiments", printed, experiments, n);
  require_report (&watch);
}
END_TEST

START_TEST (gather_a_thousand)
{
  gather_given ();
}
END_TEST

START_TEST (gather_array_is_reused)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Experiment *reused = g_memdup2 (experiments, n * sizeof *experiments);
  Watch watch = { .expected = experiments,
                  .n_expected = n,
                  .last_s = longest_s (experiments, n),
                  .early = "done-too-early",
                  .started_s = contract_now_s () };

  gather_experiments (reused, n, on_gather_done, passed (&watch));
  require_returned_at_once (&watch, "gather_experiments");
  memset (reused, 0, n * sizeof *reused);
  g_free (reused);
  require_report (&watch);
}
END_TEST

/* A caller who lends names, and takes them back as soon as done is called. */
typedef struct {
  Watch watch;
  Experiment *lent;
} Lender;

static void
lend (Lender *lender, const Experiment *experiments, gsize n_experiments,
      const char *early)
{
  lender->watch = (Watch){ .expected = experiments,
                           .n_expected = n_experiments,
                           .last_s = longest_s (experiments, n_experiments),
                           .early = early,
                           .started_s = contract_now_s () };
  lender->lent = g_memdup2 (experiments, n_experiments * sizeof *experiments);
  for (gsize i = 0; i < n_experiments; i++)
    lender->lent[i].name = contract_lend (experiments[i].name);
}

/* Not if done was called too early, or before a line was printed that has a name in it:
 * that is what there is to say then. */
static void
take_back (Lender *lender)
{
  const Watch *watch = &lender->watch;

  for (gsize i = 0; i < watch->n_expected; i++)
    if (!watch->done || !has_finished_line (watch->printed, &watch->expected[i]))
      return;
  for (gsize i = 0; i < watch->n_expected; i++)
    contract_take_back ((char *) lender->lent[i].name);
}

static void
on_lent_experiment_done (const char *name, guint seconds, gpointer user_data)
{
  Lender *lender = user_data;

  require_passed (lender);
  take_experiment (name, seconds, &lender->watch);
  take_back (lender);
}

static void
on_lent_gather_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  Lender *lender = user_data;

  require_passed (lender);
  take_results (results, n_results, &lender->watch);
  take_back (lender);
}

/* The first of the given experiments runs alone; then the others, which all take equally
 * long, are gathered. */
START_TEST (names_go_away_when_done_is_called)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Lender alone;
  Lender together;

  lend (&alone, experiments, 1, "wrong-unit");
  run_experiment (alone.lent[0].name, alone.lent[0].seconds, on_lent_experiment_done,
                  passed (&alone));
  require_returned_at_once (&alone.watch, "run_experiment");
  start_capture (&alone.watch);
  require_report (&alone.watch);

  lend (&together, experiments + 1, n - 1, "done-too-early");
  gather_experiments (together.lent, n - 1, on_lent_gather_done, passed (&together));
  require_returned_at_once (&together.watch, "gather_experiments");
  start_capture (&together.watch);
  require_report (&together.watch);
}
END_TEST

/* Fail if the second gather, which has just been started, waits for the end of the first.
 * What is printed has been captured since before that start. */
static void
require_not_queued (const Watch *first, const Watch *second)
{
  g_autofree char *at_once = contract_capture_stop ();

  if (count_started (at_once, second->expected, second->n_expected) > 0)
    return;
  contract_capture_start ();
  contract_run_for (first->last_s - 1 - 0.5); /* Half a second before the first ends. */
  g_autofree char *beside = contract_capture_stop ();
  contract_capture_start ();
  contract_run_for (1);
  g_autofree char *after = contract_capture_stop ();

  contract_require (
      count_started (beside, second->expected, second->n_expected) > 0 ||
          count_started (after, second->expected, second->n_expected) == 0,
      "sequential",
      "a second gather, started while the first was under way, started its experiments "
      "only when the first had finished");
}

/* The second gather starts while the first is under way: the given experiments are split
 * in two halves, and the second half starts one second after the first. */
START_TEST (gather_two_in_flight)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Watch first;
  Watch second;

  start_gather (&first, experiments, n / 2);
  contract_run_for (1);
  contract_capture_start ();
  start_gather_as (TRUE, &second, experiments + n / 2, n - n / 2);
  require_not_queued (&first, &second);
  contract_run_until (&first.done, first.last_s + second.last_s);
  contract_run_until (&second.done, first.last_s + second.last_s);
  require_report (&first);
  require_report (&second);
}
END_TEST

/* ---- Whatever user_data is, and however late the loop ---- */

static struct {
  guint n_experiments;
  guint n_first;
  guint n_second;
} calls_without_data;

static void
on_experiment_without_data (const char *name, guint seconds, gpointer user_data)
{
  contract_require (user_data == NULL, "wrong-user-data",
                    "done was given a user_data, but run_experiment NULL");
  calls_without_data.n_experiments++;
}

static void
on_first_without_data (const Experiment *results, gsize n_results, gpointer user_data)
{
  contract_require (user_data == NULL, "wrong-user-data",
                    "done was given a user_data, but gather_experiments NULL");
  calls_without_data.n_first++;
}

static void
on_second_without_data (const Experiment *results, gsize n_results, gpointer user_data)
{
  contract_require (user_data == NULL, "wrong-user-data",
                    "done was given a user_data, but gather_experiments NULL");
  calls_without_data.n_second++;
}

/* Nobody has to have any. */
START_TEST (experiment_without_user_data)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);

  run_experiment (experiments[0].name, experiments[0].seconds, on_experiment_without_data,
                  NULL);
  contract_run_for (experiments[0].seconds + PATIENCE_S);
  contract_require (calls_without_data.n_experiments == 1, "never-quits",
                    "given NULL for user_data, run_experiment called done %u times",
                    calls_without_data.n_experiments);
}
END_TEST

START_TEST (gather_without_user_data)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);

  gather_experiments (experiments, n, on_first_without_data, NULL);
  contract_run_for (longest_s (experiments, n) + PATIENCE_S);
  contract_require (calls_without_data.n_first == 1, "never-quits",
                    "given NULL for user_data, gather_experiments called done %u times",
                    calls_without_data.n_first);
}
END_TEST

/* It tells nobody which gather is meant. */
START_TEST (gathers_with_equal_user_data)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);

  gather_experiments (&experiments[0], 1, on_first_without_data, NULL);
  gather_experiments (&experiments[1], 1, on_second_without_data, NULL);
  contract_run_for (longest_s (experiments, n) + PATIENCE_S);
  guint n_calls = calls_without_data.n_first + calls_without_data.n_second;
  contract_require (
      calls_without_data.n_first == 1 && calls_without_data.n_second == 1,
      n_calls > 0 ? "shared-state" : "never-quits",
      "two gathers at once, both given NULL for user_data, called their done %u and %u "
      "times",
      calls_without_data.n_first, calls_without_data.n_second);
}
END_TEST

/* All of the given experiments are due when the loop is free again; who counts ticks goes
 * on counting then, and may.  The seconds that are reported are those that were asked
 * for, and who takes longest need not finish last. */
START_TEST (gather_when_the_loop_is_late)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  guint held_up_s = longest_s (experiments, n) + 1;
  Watch watch;

  contract_hold_up_loop (0, held_up_s);
  start_gather (&watch, experiments, n);
  watch.late_s = held_up_s;
  start_capture (&watch);
  require_report (&watch);
}
END_TEST

typedef struct {
  Watch first;
  Watch second;
} Chain;

static void
on_first_of_two_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  Chain *chain = user_data;

  require_passed (user_data);
  take_results (results, n_results, &chain->first);
  start_gather (&chain->second, chain->first.expected + n_results,
                chain->second.n_expected);
}

/* The second half is gathered from the callback of the first. */
START_TEST (gather_from_a_callback)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);
  Chain chain = { .second.n_expected = n - n / 2 };

  chain.first = (Watch){ .expected = experiments,
                         .n_expected = n / 2,
                         .last_s = longest_s (experiments, n / 2),
                         .early = "done-too-early",
                         .started_s = contract_now_s () };
  gather_experiments (experiments, n / 2, on_first_of_two_done, passed (&chain));
  require_returned_at_once (&chain.first, "gather_experiments");
  contract_run_until (&chain.first.done, chain.first.last_s + 1);
  require_report (&chain.first);
  require_report (&chain.second);
}
END_TEST

/* ---- The loop stays free, the heap stays the same ---- */

static void
ignore_results (const Experiment *results, gsize n_results, gpointer user_data)
{
  require_passed (user_data);
  *(gboolean *) user_data = TRUE;
}

/* Only whether the loop is free: what else goes wrong costs marks elsewhere. */
START_TEST (loop_stays_responsive)
{
  static gboolean done; /* Outlives this test, should a report come too late. */
  gsize n;
  const Experiment *experiments = given_experiments (&n);

  done = FALSE;
  contract_heartbeat_start ();
  gather_experiments (experiments, n, ignore_results, passed (&done));
  contract_run_until (&done, (double) longest_s (experiments, n) * (double) n + 1);
  double late_s = contract_heartbeat_stop ();

  contract_require (late_s < EXACT_S, "blocks-the-loop",
                    "a tick that was due every 0.1 s on the same loop came %.3f s late",
                    late_s);
  contract_require (done, "never-quits", "done was not called");
}
END_TEST

static void
gather_and_forget (const Experiment *experiments, gsize n_experiments)
{
  static gboolean done; /* Outlives this call, should a report come too late. */

  done = FALSE;
  gather_experiments (experiments, n_experiments, ignore_results, passed (&done));
  contract_run_until (&done, longest_s (experiments, n_experiments) + PATIENCE_S);
  contract_require (done, "never-quits", "done was not called");
  contract_run_for (0.01); /* The loop has waited: all must be freed by now. */
}

enum { N_WARM_UPS = 3, N_GATHERS = 20 };

static void
require_no_growth (const Experiment *experiments, gsize n_experiments)
{
  for (guint i = 0; i < N_WARM_UPS; i++)
    gather_and_forget (experiments, n_experiments);
  gsize before = contract_heap_in_use ();
  guint n_files = contract_open_files ();
  for (guint i = 0; i < N_GATHERS; i++)
    gather_and_forget (experiments, n_experiments);
  gsize after = contract_heap_in_use ();

  contract_require (contract_open_files () <= n_files, "memory-leak",
                    "%d gathers of %zu experiments left %u files open", N_GATHERS,
                    n_experiments, contract_open_files () - n_files);
  contract_require (after < before + N_GATHERS, "memory-leak",
                    "%d gathers of %zu experiments left %zu bytes of heap behind, "
                    "%zu for each gather",
                    N_GATHERS, n_experiments, after - before,
                    (after - before) / N_GATHERS);
}

/* More than any gather before: what is kept for the next one shows. */
enum { N_MOST = 250 };

/* Fail if a large gather leaves more behind than a small one, such as records that wait
 * for being used again. */
static void
require_nothing_kept (void)
{
  g_autofree Experiment *experiments = g_new (Experiment, N_MOST);

  for (guint i = 0; i < N_MOST; i++)
    experiments[i] = (Experiment){ g_strdup_printf ("kept_%u", i), 1 };
  contract_run_timers (N_MOST);
  gsize before = contract_heap_in_use ();
  gather_and_forget (experiments, N_MOST);
  gsize after = contract_heap_in_use ();

  contract_require (after < before + N_MOST * sizeof (gpointer), "memory-leak",
                    "a gather of %d experiments left %zu bytes of heap behind, though "
                    "small ones leave none: what is kept for the next one is not freed",
                    N_MOST, after - before);
  for (guint i = 0; i < N_MOST; i++)
    g_free ((char *) experiments[i].name);
}

START_TEST (gather_leaves_nothing_behind)
{
  gsize n;
  Experiment *experiments = given_experiments (&n);

  require_no_growth (experiments, n);
  require_nothing_kept ();
}
END_TEST

START_TEST (gather_of_none_leaves_nothing_behind)
{
  require_no_growth (NULL, 0);
}
END_TEST

void
before_contract_test (void)
{
  g_clear_pointer (&passed_data, g_hash_table_unref);
  memset (&calls_without_data, 0, sizeof calls_without_data);
}

void
add_contract_tests (void)
{
  contract_add (experiment_takes_its_seconds);
  contract_add (experiment_of_zero_seconds_waits_for_the_loop);
  contract_add (experiment_of_minutes);
  contract_add (experiments_of_hours);
  contract_add (experiment_with_an_unusual_name);
  contract_add (experiment_between_two_seconds);
  contract_add (experiment_starts_before_it_returns);
  contract_add (experiments_side_by_side);
  contract_add (gather_slowest_first);
  contract_add (gather_equal_names);
  contract_add (gather_equal_seconds);
  contract_add (gather_of_no_seconds);
  contract_add (gather_of_hours);
  contract_add (gather_one);
  contract_add (gather_two);
  contract_add (gather_none);
  contract_add (gather_none_twice);
  contract_add (gather_starts_all_before_it_returns);
  contract_add (gather_a_thousand);
  contract_add (gather_array_is_reused);
  contract_add (names_go_away_when_done_is_called);
  contract_add (gather_two_in_flight);
  contract_add (gather_from_a_callback);
  contract_add (experiment_without_user_data);
  contract_add (gather_without_user_data);
  contract_add (gathers_with_equal_user_data);
  contract_add (gather_when_the_loop_is_late);
  contract_add (loop_stays_responsive);
  contract_add (gather_of_none_leaves_nothing_behind);
  contract_add_alone (gather_leaves_nothing_behind);
}
