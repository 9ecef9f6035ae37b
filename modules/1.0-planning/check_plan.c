/* SPDX-License-Identifier: MIT
 *
 * Contract tests of module 1.0: plan_order(), plan_critical_path() and run_plan() on
 * plans that their author has never seen, on the virtual clock.
 *
 * The plans come from scenarios.py as lines:
 *
 *   plan LIMIT                        a plan begins; LIMIT is max_parallel
 *   step SECONDS NAME NEED...         one step of it
 *   order POSITION...                 what plan_order() must return
 *   makespan SECONDS                  what plan_critical_path() must find
 *   instead SECONDS DIAGNOSIS         what it finds under a misconception
 *   starts SECONDS...                 when run_plan() must start each step
 *   remaining SECONDS...              of each step, with the longest path after it
 *   instead DIAGNOSIS SECONDS...      when it starts them under a misconception
 *   otherwise DIAGNOSIS               what any other schedule means
 *
 * The first argument of each failure is the diagnosis that it stands for.
 */
#define _GNU_SOURCE /* fopencookie(), memfd_create(), RTLD_NEXT */

#include "plan.h"

#include "harness.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Timers have whole milliseconds; nothing else takes time on the virtual clock. */
static const double EXACT_S = 0.0015;

enum { LONGEST_USUAL_NAME = 100 };

/* ---- The plans of the running test ---- */

typedef struct {
  const char *diagnosis;
  double *starts_s;   /* of each step, for run_plan() */
  guint64 makespan_s; /* for plan_critical_path() */
} Misconception;

typedef struct {
  guint limit;
  GArray *steps;       /* of Step */
  GArray *order;       /* of gsize; what plan_order() must return */
  double *starts_s;    /* what run_plan() must do */
  double *remaining_s; /* of each step: who has more is more urgent; NULL: not given */
  double makespan_s;   /* when the last step must end */
  guint64 path_s;      /* what plan_critical_path() must find */
  GArray *misconceptions;
  const char *otherwise; /* what it means if none of these explains what was seen */
} Plan;

static Step *
plan_steps (const Plan *plan)
{
  return (Step *) plan->steps->data;
}

static double *
numbers (char **words, gsize n)
{
  double *values = g_new (double, n);

  for (gsize i = 0; i < n; i++)
    values[i] = strtod (words[i], NULL);
  return values;
}

static void
read_instead (Plan *plan, char **words)
{
  Misconception wrong = { 0 };

  if (g_ascii_isdigit (words[1][0])) {
    wrong.makespan_s = strtoull (words[1], NULL, 10);
    wrong.diagnosis = words[2];
  } else {
    wrong.diagnosis = words[1];
    wrong.starts_s = numbers (words + 2, plan->steps->len);
  }
  g_array_append_val (plan->misconceptions, wrong);
}

static void
read_plan_line (Plan *plan, char **words)
{
  if (g_str_equal (words[0], "step")) {
    Step step = { words[2], (guint) strtoul (words[1], NULL, 10), NULL };
    if (words[3] != NULL)
      step.needs = (const char *const *) words + 3;
    g_array_append_val (plan->steps, step);
  } else if (g_str_equal (words[0], "order")) {
    for (char **word = words + 1; *word != NULL; word++) {
      gsize position = strtoul (*word, NULL, 10);
      g_array_append_val (plan->order, position);
    }
  } else if (g_str_equal (words[0], "makespan")) {
    plan->path_s = strtoull (words[1], NULL, 10);
  } else if (g_str_equal (words[0], "starts")) {
    plan->starts_s = numbers (words + 1, plan->steps->len);
  } else if (g_str_equal (words[0], "remaining")) {
    plan->remaining_s = numbers (words + 1, plan->steps->len);
  } else if (g_str_equal (words[0], "instead")) {
    read_instead (plan, words);
  } else if (g_str_equal (words[0], "otherwise")) {
    plan->otherwise = words[1];
  }
}

/* What was read lives until the process of this test ends. */
static GPtrArray *
given_plans (void)
{
  GPtrArray *plans = g_ptr_array_new ();
  Plan *plan = NULL;

  for (const char *const *line = contract_given (); *line != NULL; line++) {
    char **words = g_strsplit (*line, " ", -1);
    if (g_str_equal (words[0], "plan")) {
      plan = g_new0 (Plan, 1);
      plan->limit = (guint) strtoul (words[1], NULL, 10);
      plan->steps = g_array_new (FALSE, TRUE, sizeof (Step));
      plan->order = g_array_new (FALSE, FALSE, sizeof (gsize));
      plan->misconceptions = g_array_new (FALSE, FALSE, sizeof (Misconception));
      g_ptr_array_add (plans, plan);
    } else {
      read_plan_line (plan, words);
    }
  }
  for (guint k = 0; k < plans->len; k++) {
    plan = plans->pdata[k];
    for (gsize i = 0; plan->starts_s != NULL && i < plan->steps->len; i++)
      plan->makespan_s =
          MAX (plan->makespan_s, plan->starts_s[i] + plan_steps (plan)[i].seconds);
  }
  return plans;
}

static Plan *
given_plan (void)
{
  return given_plans ()->pdata[0];
}

static gssize
find_step (const Plan *plan, const char *name)
{
  for (gsize i = 0; i < plan->steps->len; i++)
    if (g_strcmp0 (plan_steps (plan)[i].name, name) == 0)
      return (gssize) i;
  return -1;
}

static gboolean
step_needs (const Step *step, const char *name)
{
  return step->needs != NULL && g_strv_contains (step->needs, name);
}

static gboolean
names_needs_twice (const Plan *plan)
{
  for (gsize i = 0; i < plan->steps->len; i++) {
    const char *const *needs = plan_steps (plan)[i].needs;
    for (; needs != NULL && *needs != NULL; needs++)
      if (g_strv_contains (needs + 1, *needs))
        return TRUE;
  }
  return FALSE;
}

/* ---- Against endless loops and endless recursion ----
 *
 * Code that never returns, or that overflows the stack, is brought back here, so that the
 * test can say what that means.  Processor time is real on the virtual clock as well.
 */

static const double CPU_LIMIT_S = 2;
static const double SMALL_CPU_LIMIT_S = 0.5; /* before an endless path fills the memory */
static const rlim_t SMALL_STACK_BYTES = 512 * 1024; /* 52 bytes for each step in a row */
static const gssize ABOUT_BYTES = 256 * 1024; /* what stood on it before, and a frame */

static sigjmp_buf back;
static struct sigaction sanitizers_action; /* on SIGSEGV */
static const char *stack_end;              /* more or less */

/* Any other wild pointer is the sanitizer's: back there, the same happens once more. */
static void
jump_back (int signal_number, siginfo_t *info, void *context)
{
  const char *address = info->si_addr;

  if (signal_number == SIGSEGV && ABS (address - stack_end) > ABOUT_BYTES)
    sigaction (SIGSEGV, &sanitizers_action, NULL);
  else
    siglongjmp (back, signal_number);
}

static void
watch_out_for (int signal_number)
{
  static char signal_stack[64 * 1024];
  const stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof signal_stack };
  struct sigaction action = { .sa_sigaction = jump_back,
                              .sa_flags = SA_ONSTACK | SA_SIGINFO };

  sigaltstack (&stack, NULL);
  sigaction (signal_number, &action,
             signal_number == SIGSEGV ? &sanitizers_action : NULL);
}

static void
limit_cpu (double seconds)
{
  const struct itimerval limit = {
    .it_value = { .tv_sec = (time_t) seconds,
                  .tv_usec = (suseconds_t) (fmod (seconds, 1) * 1e6) },
  };

  watch_out_for (SIGPROF);
  setitimer (ITIMER_PROF, &limit, NULL);
}

static void
limit_stack (void)
{
  struct rlimit limit;

  getrlimit (RLIMIT_STACK, &limit);
  limit.rlim_cur = SMALL_STACK_BYTES;
  setrlimit (RLIMIT_STACK, &limit);
  stack_end = (const char *) __builtin_frame_address (0) - SMALL_STACK_BYTES;
  watch_out_for (SIGSEGV);
}

/* Fail with @diagnosis if what follows takes more than @limit_s of processor time, until
 * limit_cpu (0) says that it has come to its end; both in the same function. */
#define REQUIRE_AN_END_WITHIN(limit_s, diagnosis)                                        \
  do {                                                                                   \
    if (sigsetjmp (back, 1) != 0)                                                        \
      contract_fail (diagnosis, "it was still computing after %g s of processor time",   \
                     limit_s);                                                           \
    limit_cpu (limit_s);                                                                 \
  } while (0)

#define REQUIRE_AN_END(diagnosis) REQUIRE_AN_END_WITHIN (CPU_LIMIT_S, diagnosis)

/* ---- plan_order ---- */

static void
require_each_step_once (const Plan *plan, const GArray *order)
{
  gsize n_steps = plan->steps->len;
  g_autofree gboolean *seen = g_new0 (gboolean, n_steps);

  contract_require (
      g_array_get_element_size ((GArray *) order) == sizeof (gsize), "not-an-order",
      "the elements of the order have %u bytes each (the third argument of g_array_new), "
      "not the %zu of a gsize",
      g_array_get_element_size ((GArray *) order), sizeof (gsize));
  contract_require (order->len == n_steps, "not-an-order",
                    "the order of %zu steps has %u elements", n_steps, order->len);
  for (gsize k = 0; k < n_steps; k++) {
    gsize step = g_array_index (order, gsize, k);
    contract_require (step < n_steps && !seen[step], "not-an-order",
                      "element %zu of the order of %zu steps is %zu: every position from "
                      "0 to %zu must stand there once",
                      k, n_steps, step, n_steps - 1);
    seen[step] = TRUE;
  }
}

static void
require_needs_come_first (const Plan *plan, const GArray *order)
{
  const Step *steps = plan_steps (plan);
  g_autoptr (GHashTable) before = g_hash_table_new (g_str_hash, g_str_equal);

  for (gsize k = 0; k < order->len; k++) {
    const Step *step = &steps[g_array_index (order, gsize, k)];
    for (const char *const *need = step->needs; need && *need; need++)
      contract_require (g_hash_table_contains (before, *need),
                        names_needs_twice (plan) ? "need-counted-twice" : "not-an-order",
                        "%s stands before %s, which it needs", step->name, *need);
    g_hash_table_add (before, (char *) step->name);
  }
}

static GArray *
require_order (const Plan *plan, const char *diagnosis)
{
  GError *error = NULL;
  GArray *order = plan_order (plan_steps (plan), plan->steps->len, &error);

  contract_require (
      order != NULL, plan->steps->len == 0 ? "empty-plan" : diagnosis,
      "plan_order returned NULL for a plan of %u steps that has an order: %s",
      plan->steps->len, error != NULL ? error->message : "no error was set");
  contract_require (error == NULL, "wrong-error",
                    "plan_order returned an order and an error: %s", error->message);
  require_each_step_once (plan, order);
  require_needs_come_first (plan, order);
  return order;
}

static void
require_order_of_given (const char *diagnosis)
{
  GPtrArray *plans = given_plans ();

  REQUIRE_AN_END ("never-quits");
  for (guint k = 0; k < plans->len; k++) {
    const Plan *plan = plans->pdata[k];
    g_autoptr (GArray) order = require_order (plan, diagnosis);

    for (guint i = 0; i < order->len; i++) {
      gsize seen = g_array_index (order, gsize, i);
      gsize expected = g_array_index (plan->order, gsize, i);
      contract_require (
          seen == expected, "ties-by-position",
          "element %u of the order is step %zu; step %zu could come next as "
          "well, and stands before it in the plan",
          i, seen, expected);
    }
  }
  limit_cpu (0);
}

START_TEST (order_of_plans_of_all_shapes)
{
  require_order_of_given ("good-plan-refused");
}
END_TEST

/* The first plan is plain; if the process dies of the others, that is why. */
START_TEST (order_with_needs_named_twice)
{
  require_order (given_plan (), "good-plan-refused");
  contract_note ("need-counted-twice", "it crashed on a plan with needs named twice");
  require_order_of_given ("need-counted-twice");
}
END_TEST

/* ---- Refusals ---- */

/* The id for a plan that was not refused: for its names, or else for a cycle. */
static const char *
diagnose_accepted (const Plan *plan)
{
  for (gsize i = 0; i < plan->steps->len; i++) {
    const Step *step = &plan_steps (plan)[i];

    if (find_step (plan, step->name) != (gssize) i || step_needs (step, step->name))
      return "bad-plan-accepted";
    for (const char *const *need = step->needs; need && *need; need++)
      if (find_step (plan, *need) < 0)
        return "bad-plan-accepted";
  }
  return "cycle-missed";
}

/* A function under test, given a plan that can not be run: the error that it set.
 * @diagnosis is what it means if it does not refuse. */
typedef GError *(*Refuse) (const Plan *plan, const char *diagnosis);

static GError *
refuse_order (const Plan *plan, const char *diagnosis)
{
  GError *error = NULL;
  GArray *order = plan_order (plan_steps (plan), plan->steps->len, &error);

  contract_require (order == NULL, diagnosis,
                    "plan_order returned an order of %u steps for a plan that can not be "
                    "run",
                    order->len);
  contract_require (error != NULL, "error-not-set",
                    "plan_order returned NULL, but set no error");
  return error;
}

static GError *
refuse_path (const Plan *plan, const char *diagnosis)
{
  GError *error = NULL;
  guint64 makespan_s = 0;
  GArray *path =
      plan_critical_path (plan_steps (plan), plan->steps->len, &makespan_s, &error);

  contract_require (path == NULL, diagnosis,
                    "plan_critical_path returned a path of %u steps for a plan that can "
                    "not be run",
                    path->len);
  contract_require (error != NULL, "error-not-set",
                    "plan_critical_path returned NULL, but set no error");
  return error;
}

static void
on_refused_plan_done_at_once (const StepTimes *times, gsize n_times, gpointer user_data)
{
  contract_fail ("error-convention", "done was called by run_plan itself, before it "
                                     "returned, for a plan that can not be run");
}

static GError *
refuse_run (const Plan *plan, const char *diagnosis)
{
  GError *error = NULL;
  gboolean started = run_plan (plan_steps (plan), plan->steps->len, 0,
                               on_refused_plan_done_at_once, NULL, &error);

  contract_require (!started || error == NULL, "error-convention",
                    "run_plan set an error, and returned TRUE all the same");
  contract_require (!started, diagnosis,
                    "run_plan returned TRUE for a plan that can not be run");
  contract_require (error != NULL, "error-not-set",
                    "run_plan returned FALSE, but set no error");
  return error;
}

static GError *
require_refusal (const Plan *plan, PlanError code, const char *diagnosis, Refuse refuse)
{
  REQUIRE_AN_END ("cycle-hangs");
  GError *error = refuse (plan, diagnosis);

  limit_cpu (0);
  /* Who needs itself is a cycle of one. */
  gboolean is_tiny_cycle =
      code == PLAN_ERROR_SELF_NEED && error->code == PLAN_ERROR_CYCLE;
  contract_require (
      error->domain == PLAN_ERROR && (error->code == (int) code || is_tiny_cycle),
      "wrong-error",
      "the error is number %d of %s (%.300s), expected number %d of plan-error",
      error->code, g_quark_to_string (error->domain), error->message, (int) code);
  return error;
}

static void
require_named (const GError *error, const char *name)
{
  contract_require (strstr (error->message, name) != NULL, "wrong-error",
                    "the message \"%s\" does not name %s", error->message, name);
}

static void
require_unknown_need_refused (const Plan *plan, Refuse refuse)
{
  GError *error =
      require_refusal (plan, PLAN_ERROR_UNKNOWN_NEED, "bad-plan-accepted", refuse);

  for (gsize i = 0; i < plan->steps->len; i++) {
    const Step *step = &plan_steps (plan)[i];
    for (const char *const *need = step->needs; need && *need; need++)
      if (find_step (plan, *need) < 0) {
        require_named (error, step->name);
        require_named (error, *need);
      }
  }
}

static void
require_duplicate_name_refused (const Plan *plan, Refuse refuse)
{
  GError *error =
      require_refusal (plan, PLAN_ERROR_DUPLICATE_NAME, "bad-plan-accepted", refuse);

  for (gssize i = 0; i < (gssize) plan->steps->len; i++)
    if (find_step (plan, plan_steps (plan)[i].name) != i)
      require_named (error, plan_steps (plan)[i].name);
}

static void
require_self_need_refused (const Plan *plan, Refuse refuse)
{
  GError *error =
      require_refusal (plan, PLAN_ERROR_SELF_NEED, "bad-plan-accepted", refuse);

  for (gsize i = 0; i < plan->steps->len; i++)
    if (step_needs (&plan_steps (plan)[i], plan_steps (plan)[i].name))
      require_named (error, plan_steps (plan)[i].name);
}

START_TEST (refuses_names_that_do_not_fit)
{
  GPtrArray *plans = given_plans ();
  const Refuse functions[] = { refuse_order, refuse_path, refuse_run };

  for (guint k = 0; k < G_N_ELEMENTS (functions); k++) {
    require_unknown_need_refused (plans->pdata[0], functions[k]);
    require_duplicate_name_refused (plans->pdata[1], functions[k]);
    require_self_need_refused (plans->pdata[2], functions[k]);
    /* Of two faults, one is reported. */
    require_refusal (plans->pdata[3], PLAN_ERROR_UNKNOWN_NEED, "bad-plan-accepted",
                     functions[k]);
  }
}
END_TEST

/* The signs that may stand before or behind a name in a sentence. */
static const char OPENING[] = "(\"'`[<";
static const char CLOSING[] = ".,;:!)\"'`]>";

/* The last word of @text, which is the name of a step or is taken for one. */
static const char *
last_word (const Plan *plan, const char *text)
{
  const char *space = strrchr (text, ' ');
  const char *word = space != NULL ? space + 1 : text;

  while (find_step (plan, word) < 0 && *word != '\0' && strchr (OPENING, *word))
    word++;
  return word;
}

/* Cut @text behind its first word, which is taken for the name of a step, too. */
static void
cut_behind_first_word (const Plan *plan, char *text)
{
  text[strcspn (text, " ")] = '\0';
  for (gsize length = strlen (text); length > 0 && find_step (plan, text) < 0 &&
                                     strchr (CLOSING, text[length - 1]) != NULL;
       length--)
    text[length - 1] = '\0';
}

/* "a needs b needs c needs a", maybe with words around it. */
static void
require_cycle_in_order (const Plan *plan, const GError *error, const char *diagnosis)
{
  g_auto (GStrv) names = g_strsplit (error->message, " needs ", -1);
  guint n_names = g_strv_length (names);

  contract_require (n_names >= 2, diagnosis,
                    "the message \"%.300s\" is not of the form \"a needs b needs a\"",
                    error->message);
  const char *first = last_word (plan, names[0]);
  cut_behind_first_word (plan, names[n_names - 1]);

  for (guint i = 0; i + 1 < n_names; i++) {
    const char *name = i == 0 ? first : names[i];
    gssize step = find_step (plan, name);
    contract_require (step >= 0, diagnosis,
                      "\"%.300s\" names '%s', which is not a step of the plan",
                      error->message, name);
    contract_require (step_needs (&plan_steps (plan)[step], names[i + 1]), diagnosis,
                      "\"%.300s\" is not so: %s does not need %s", error->message, name,
                      names[i + 1]);
  }
  contract_require (g_str_equal (first, names[n_names - 1]), diagnosis,
                    "the message begins with %s and ends with '%.40s': it does not come "
                    "back to where it began",
                    first, names[n_names - 1]);
  for (guint i = 1; i + 1 < n_names; i++)
    contract_require (!g_str_equal (first, names[i]), diagnosis,
                      "\"%.300s\" goes round more than once", error->message);
}

/* If plan_order() names the cycle and another function does not, it has lost the error.
 */
START_TEST (refuses_a_cycle)
{
  GPtrArray *plans = given_plans ();
  const Refuse functions[] = { refuse_order, refuse_path, refuse_run };
  const char *const unnamed[] = { "cycle-not-named", "wrong-error", "wrong-error" };

  for (guint n = 0; n < G_N_ELEMENTS (functions); n++)
    for (guint k = 0; k < plans->len; k++) {
      const Plan *plan = plans->pdata[k];
      GError *error =
          require_refusal (plan, PLAN_ERROR_CYCLE, "cycle-missed", functions[n]);

      require_cycle_in_order (plan, error, unnamed[n]);
    }
}
END_TEST

/* ---- plan_critical_path ---- */

static const char *
diagnose_makespan (const Plan *plan, guint64 makespan_s)
{
  for (guint k = 0; k < plan->misconceptions->len; k++) {
    const Misconception *wrong = &g_array_index (plan->misconceptions, Misconception, k);
    if (wrong->makespan_s == makespan_s)
      return wrong->diagnosis;
  }
  return "wrong-critical-path";
}

static void
require_path (const Plan *plan, const GArray *path, guint64 makespan_s)
{
  const Step *steps = plan_steps (plan);
  guint64 sum_s = 0;

  contract_require (g_array_get_element_size ((GArray *) path) == sizeof (gsize),
                    "wrong-critical-path",
                    "the elements of the path have %u bytes each, not the %zu of a gsize",
                    g_array_get_element_size ((GArray *) path), sizeof (gsize));
  for (guint k = 0; k < path->len; k++) {
    gsize step = g_array_index (path, gsize, k);
    contract_require (step < plan->steps->len, "wrong-critical-path",
                      "element %u of the path is %zu, but the plan has %u steps", k, step,
                      plan->steps->len);
    sum_s += steps[step].seconds;
    if (k == 0)
      continue;
    gsize before = g_array_index (path, gsize, k - 1);
    const char *but = step_needs (&steps[before], steps[step].name)
                          ? "is needed by it: the path is the wrong way round"
                          : "does not need it";
    contract_require (step_needs (&steps[step], steps[before].name),
                      "wrong-critical-path", "%s comes after %s on the path, but %s",
                      steps[step].name, steps[before].name, but);
  }
  contract_require (sum_s == makespan_s, "wrong-critical-path",
                    "the steps on the path take %" G_GUINT64_FORMAT
                    " s together, but the makespan is %" G_GUINT64_FORMAT " s",
                    sum_s, makespan_s);
}

/* What stands in *makespan_s before the call: nothing that belongs into the result. */
static const guint64 STALE_S = 1000003;

static void
require_critical_path (const Plan *plan)
{
  GError *error = NULL;
  guint64 makespan_s = STALE_S;
  const char *missing = plan->steps->len == 0 ? "empty-plan" : "good-plan-refused";

  REQUIRE_AN_END_WITHIN (SMALL_CPU_LIMIT_S, "wrong-critical-path");
  g_autoptr (GArray) path =
      plan_critical_path (plan_steps (plan), plan->steps->len, &makespan_s, &error);

  limit_cpu (0);
  contract_require (path != NULL, missing,
                    "plan_critical_path returned NULL for a plan of %u steps that can be "
                    "run: %s",
                    plan->steps->len,
                    error != NULL ? error->message : "no error was set");
  contract_require (error == NULL, "wrong-error",
                    "plan_critical_path returned a path and an error: %s",
                    error->message);
  contract_require (makespan_s != STALE_S + plan->path_s, "wrong-critical-path",
                    "the makespan of %" G_GUINT64_FORMAT
                    " s was added to what stood in *makespan_s before the call",
                    plan->path_s);
  contract_require (makespan_s != STALE_S, "wrong-critical-path",
                    "plan_critical_path returned a path, but did not set *makespan_s");
  contract_require (makespan_s == plan->path_s, diagnose_makespan (plan, makespan_s),
                    "the makespan of a plan of %u steps is %" G_GUINT64_FORMAT
                    " s, expected %" G_GUINT64_FORMAT " s%s",
                    plan->steps->len, makespan_s, plan->path_s,
                    makespan_s == 1000 * plan->path_s ? ", not milliseconds" : "");
  require_path (plan, path, makespan_s);
}

static void
require_critical_paths_of_given (void)
{
  GPtrArray *plans = given_plans ();

  for (guint k = 0; k < plans->len; k++)
    require_critical_path (plans->pdata[k]);
}

START_TEST (critical_path_of_plans_of_all_shapes)
{
  require_critical_paths_of_given ();
}
END_TEST

START_TEST (critical_path_of_no_steps)
{
  require_critical_paths_of_given ();
}
END_TEST

START_TEST (critical_path_beyond_32_bits)
{
  require_critical_paths_of_given ();
}
END_TEST

/* ---- What is printed, seen from inside ----
 *
 * What is printed passes through here on its way out, so that a test can tell when a step
 * started and say what that means; the grader sees the same lines, and judges by them.
 *
 * stdio comes here at once.  What goes around it, with write() or a GIOChannel, collects
 * in a file in memory that stands in for the file descriptor, and is fetched before the
 * main loop waits: until then no time passes.
 */

static struct {
  int out_fd;          /* to the grader */
  int memory_fd;       /* what is written to file descriptor 1 itself */
  off_t n_fetched;     /* bytes of memory_fd that have been passed on */
  GString *line;       /* the beginning of one */
  GHashTable *times_s; /* line -> when it came, in seconds (gdouble *) */
  FILE *stdout_before;
  GSource *before_waiting;
} printed;

/* White space at the end is forgiven. */
static void
note_line (void)
{
  char *line = g_strchomp (g_strdup (printed.line->str));
  double now_s = contract_now_s ();

  if (!g_hash_table_contains (printed.times_s, line))
    g_hash_table_insert (printed.times_s, line, g_memdup2 (&now_s, sizeof now_s));
  else
    g_free (line);
  g_string_truncate (printed.line, 0);
}

static ssize_t
pass_on (const char *text, size_t length)
{
  ssize_t written = write (printed.out_fd, text, length);

  for (ssize_t i = 0; i < written; i++) {
    if (text[i] == '\n')
      note_line ();
    else
      g_string_append_c (printed.line, text[i]);
  }
  return written;
}

static void
fetch_unbuffered (void)
{
  char text[4096];
  ssize_t n_read;

  while ((n_read = pread (printed.memory_fd, text, sizeof text, printed.n_fetched)) > 0) {
    printed.n_fetched += n_read;
    pass_on (text, (size_t) n_read);
  }
}

static ssize_t
on_stdio (void *cookie, const char *text, size_t length)
{
  fetch_unbuffered (); /* It came first. */
  return pass_on (text, length);
}

static gboolean
on_before_waiting (GSource *source, int *timeout_ms)
{
  fetch_unbuffered ();
  return FALSE;
}

static void
watch_stdout (void)
{
  static GSourceFuncs functions = { .prepare = on_before_waiting };

  if (printed.times_s != NULL)
    return;
  printed.line = g_string_new (NULL);
  printed.times_s = g_hash_table_new (g_str_hash, g_str_equal);
  printed.out_fd = dup (STDOUT_FILENO);
  printed.memory_fd = memfd_create ("stdout", MFD_CLOEXEC);
  dup2 (printed.memory_fd, STDOUT_FILENO);
  printed.stdout_before = stdout;
  stdout = fopencookie (NULL, "w", (cookie_io_functions_t){ .write = on_stdio });
  setvbuf (stdout, NULL, _IOLBF, 0);

  printed.before_waiting = g_source_new (&functions, sizeof (GSource));
  g_source_set_priority (printed.before_waiting, G_MININT); /* It is asked first. */
  g_source_attach (printed.before_waiting, NULL);
}

static void
stop_watching_stdout (void)
{
  if (printed.times_s == NULL)
    return;
  fclose (stdout);
  fetch_unbuffered ();
  stdout = printed.stdout_before;
  dup2 (printed.out_fd, STDOUT_FILENO);
  close (printed.out_fd);
  close (printed.memory_fd);
  g_source_destroy (printed.before_waiting);
  memset (&printed, 0, sizeof printed);
}

/* line -> when it came, in seconds (gdouble *) */
static GHashTable *
times_of_lines (void)
{
  fetch_unbuffered ();
  return printed.times_s;
}

/* When the line came, in seconds since the test began; NAN if it did not come. */
static double
seen_s (const char *format, const char *name, guint seconds)
{
  g_autofree char *line = g_strdup_printf (format, name, seconds);
  const double *time_s = g_hash_table_lookup (times_of_lines (), line);

  return time_s != NULL ? *time_s : NAN;
}

static double
start_seen_s (const Step *step)
{
  return seen_s ("[%s] starting...", step->name, 0);
}

static double
end_seen_s (const Step *step)
{
  return seen_s ("[%s] finished after %u seconds", step->name, step->seconds);
}

/* ---- run_plan ---- */

typedef struct {
  const Plan *plan;
  gboolean in_company; /* another plan is in flight: what is wrong only now is mixed up */
  gboolean has_a_twin; /* and its steps have the same names */
  gboolean is_other;   /* it was given on_other_plan_done, not on_plan_done */
  double started_s;
  gboolean returned; /* run_plan() has returned */
  gsize n_waiting;   /* ... and so many steps had not started by then that could */
  gboolean done;
  guint n_calls;
} Watch;

static gboolean
is_at (double seen_s, double due_s)
{
  return fabs (seen_s - due_s) < EXACT_S;
}

static gboolean
starts_are (const Watch *watch, const double *starts_s)
{
  for (gsize i = 0; i < watch->plan->steps->len; i++)
    if (!is_at (start_seen_s (&plan_steps (watch->plan)[i]),
                watch->started_s + starts_s[i]))
      return FALSE;
  return TRUE;
}

static guint
count_running_at (const Watch *watch, double time_s)
{
  guint n_running = 0;

  for (gsize i = 0; i < watch->plan->steps->len; i++) {
    const Step *step = &plan_steps (watch->plan)[i];
    double start_s = start_seen_s (step);
    if (start_s < time_s && time_s < start_s + step->seconds)
      n_running++;
  }
  return n_running;
}

/* When all that step @i needs had finished. */
static double
ready_seen_s (const Watch *watch, gsize i)
{
  const Step *steps = plan_steps (watch->plan);
  double ready_s = watch->started_s;

  for (gsize k = 0; k < watch->plan->steps->len; k++)
    if (step_needs (&steps[i], steps[k].name))
      ready_s = MAX (ready_s, end_seen_s (&steps[k]));
  return ready_s;
}

/* Whether each step started when one that it needs or any other had just finished, and
 * until then, or until now, all of @n_places were taken: then it is only the choice
 * between steps that is wrong. */
static gboolean
fills_all_places (const Watch *watch, guint n_places)
{
  gsize n_steps = watch->plan->steps->len;

  for (gsize i = 0; i < n_steps; i++) {
    const Step *step = &plan_steps (watch->plan)[i];
    double ready_s = ready_seen_s (watch, i);
    double start_s = start_seen_s (step);
    double after_s = start_s - watch->started_s;

    if (isnan (start_s) && isnan (ready_s))
      continue;
    if (isnan (ready_s) || (!isnan (start_s) && !is_at (after_s, rint (after_s))))
      return FALSE;
    double until_s = isnan (start_s) ? contract_now_s () : start_s;
    /* All in whole seconds, so this looks at every stretch between two events. */
    for (double time_s = ready_s + 0.5; time_s < until_s; time_s++)
      if (count_running_at (watch, time_s) != n_places)
        return FALSE;
  }
  return n_places > 0;
}

/* How many run at once, at most. */
static guint
count_most_at_once (const Watch *watch)
{
  guint most = 0;

  for (gsize i = 0; i < watch->plan->steps->len; i++) {
    double start_s = start_seen_s (&plan_steps (watch->plan)[i]);
    most = MAX (most, count_running_at (watch, start_s + 0.5));
  }
  return most;
}

/* By how many it runs more than allowed at once, at most. */
static guint
count_too_many (const Watch *watch)
{
  guint limit = watch->plan->limit;
  guint most = limit > 0 ? count_most_at_once (watch) : 0;

  return most > limit ? most - limit : 0;
}

/* Whether there is no limit, and yet it runs no more than so many at once; if that is but
 * one less than there are steps, it miscounts those. */
static gboolean
has_a_limit_of_its_own (const Watch *watch)
{
  guint most = count_most_at_once (watch);

  return watch->plan->limit == 0 && most > 1 && most + 1 < watch->plan->steps->len &&
         fills_all_places (watch, most);
}

/* Whether all waited for what they need, and no step that was ready was more urgent than
 * one that started before it; and some are equally urgent. */
static gboolean
chooses_among_equals (const Watch *watch)
{
  const Plan *plan = watch->plan;
  gsize n_steps = plan->remaining_s != NULL ? plan->steps->len : 0;
  g_autofree double *starts_s = g_new (double, n_steps + 1);
  g_autofree double *ready_s = g_new (double, n_steps + 1);

  for (gsize i = 0; i < n_steps; i++) {
    starts_s[i] = start_seen_s (&plan_steps (plan)[i]);
    ready_s[i] = ready_seen_s (watch, i);
    if (starts_s[i] < ready_s[i] - EXACT_S)
      return FALSE;
  }
  gboolean has_equals = FALSE;
  for (gsize i = 0; i < n_steps; i++)
    for (gsize k = 0; k < n_steps; k++) {
      if (ready_s[k] <= starts_s[i] && starts_s[i] < starts_s[k] &&
          plan->remaining_s[k] > plan->remaining_s[i])
        return FALSE;
      has_equals = has_equals || (i != k && plan->remaining_s[i] == plan->remaining_s[k]);
    }
  return has_equals;
}

/* Whether some steps run side by side. */
static gboolean
runs_two_at_once (const Watch *watch)
{
  const Step *steps = plan_steps (watch->plan);

  for (gsize i = 0; i < watch->plan->steps->len; i++)
    for (gsize k = 0; k < i; k++)
      if (start_seen_s (&steps[i]) < end_seen_s (&steps[k]) - EXACT_S &&
          start_seen_s (&steps[k]) < end_seen_s (&steps[i]) - EXACT_S)
        return TRUE;
  return FALSE;
}

/* Whether there is no limit, and yet only one of the steps that need nothing starts at
 * once. */
static gboolean
starts_one_of_several (const Watch *watch)
{
  guint n_roots = 0;
  guint n_started = 0;

  for (gsize i = 0; i < watch->plan->steps->len; i++) {
    const Step *step = &plan_steps (watch->plan)[i];
    gboolean is_root = step->needs == NULL || step->needs[0] == NULL;

    n_roots += is_root;
    n_started += is_root && is_at (start_seen_s (step), watch->started_s);
  }
  return watch->plan->limit == 0 && n_roots > 1 && n_started == 1 &&
         runs_two_at_once (watch);
}

static const char *
diagnose_starts (const Watch *watch)
{
  GArray *misconceptions = watch->plan->misconceptions;
  guint too_many = count_too_many (watch);
  gboolean only_chooses = watch->done && fills_all_places (watch, watch->plan->limit);

  if (only_chooses && too_many == 0 && chooses_among_equals (watch))
    return "ties-by-position";
  for (guint k = 0; k < misconceptions->len; k++) {
    const Misconception *wrong = &g_array_index (misconceptions, Misconception, k);
    if (starts_are (watch, wrong->starts_s))
      return wrong->diagnosis;
  }
  if (too_many > 0)
    return too_many == 1 ? "limit-off-by-one" : "limit-ignored";
  if (names_needs_twice (watch->plan))
    return "need-counted-twice";
  if (has_a_limit_of_its_own (watch))
    return "zero-is-no-limit";
  if (watch->plan->otherwise != NULL)
    return watch->plan->otherwise;
  if (watch->in_company)
    return "shared-state";
  if (starts_one_of_several (watch))
    return "no-needs-never-starts";
  return only_chooses ? "own-seconds-only" : "wrong-schedule";
}

/* What has ended took its own seconds, whenever it started. */
static void
require_durations (const Watch *watch)
{
  for (gsize i = 0; i < watch->plan->steps->len; i++) {
    const Step *step = &plan_steps (watch->plan)[i];
    double took_s = end_seen_s (step) - start_seen_s (step);

    contract_require (isnan (took_s) || is_at (took_s, step->seconds), "wrong-unit",
                      "%s took %.3f s, expected %u s", step->name, took_s, step->seconds);
  }
}

/* A line that names @step, but is neither of the two that it must print; NULL: none. */
static const char *
misworded_line (const Step *step)
{
  GHashTableIter iter;
  gpointer line;
  g_autofree char *start = g_strdup_printf ("[%s] starting...", step->name);
  g_autofree char *end =
      g_strdup_printf ("[%s] finished after %u seconds", step->name, step->seconds);

  g_hash_table_iter_init (&iter, times_of_lines ());
  while (g_hash_table_iter_next (&iter, &line, NULL))
    if (strstr (line, step->name) != NULL && !g_str_equal (line, start) &&
        !g_str_equal (line, end))
      return line;
  return NULL;
}

/* Who does not print the line has not done the thing, unless another line says so.
 * @early is what it means that done was called all the same. */
static void
require_line (const Step *step, double seen_s, const char *done_what, const char *early)
{
  if (!isnan (seen_s))
    return;
  const char *line = misworded_line (step);
  contract_require (line == NULL, "output-differs",
                    "there is no line that says that %s has %s as it must, but there is "
                    "'%.100s'",
                    step->name, done_what, line);
  contract_fail (early, "done was called before %s had %s", step->name, done_what);
}

/* Every step that has started did so at its time; if all have, then all have ended. */
static void
require_schedule (const Watch *watch)
{
  const Plan *plan = watch->plan;

  if (watch->has_a_twin)
    return; /* Whose lines are whose?  The grader compares them all. */
  const char *early = names_needs_twice (plan) ? "need-counted-twice" : "done-too-early";
  require_durations (watch);
  for (gsize i = 0; i < plan->steps->len; i++) {
    const Step *step = &plan_steps (plan)[i];
    double start_s = start_seen_s (step) - watch->started_s;
    double end_s = end_seen_s (step) - watch->started_s;

    if (isnan (start_s) && !watch->done)
      continue; /* That it never starts is told by the test that waits for it. */
    contract_require (!isnan (start_s) || step->seconds > 0, "output-differs",
                      "%s, a step of 0 seconds, printed nothing", step->name);
    require_line (step, start_s, "started", early);
    contract_require (is_at (start_s, plan->starts_s[i]), diagnose_starts (watch),
                      "with at most %u at once (0: no limit) %s started at %.3f s, "
                      "expected %.3f s",
                      plan->limit, step->name, start_s, plan->starts_s[i]);
    if (watch->done)
      require_line (step, end_s, "finished", "done-too-early");
  }
}

static const char *
diagnose_name (const Watch *watch, const char *name)
{
  if (find_step (watch->plan, name) >= 0)
    return "completion-order";
  return watch->in_company ? "shared-state" : "wrong-times";
}

/* Whether so many milliseconds did not fit into 32 bits. */
static gboolean
is_wrapped (gint64 seen_ms, double due_ms)
{
  double off_ms = fabs ((double) seen_ms - due_ms);

  return off_ms > 2 && fmod (off_ms + 1, 4294967296.0) < 2;
}

/* The report must say what was printed. */
static void
require_times (const Watch *watch, const StepTimes *times)
{
  const Step *steps = plan_steps (watch->plan);

  for (gsize i = 0; i < watch->plan->steps->len; i++) {
    double start_ms = 1000 * watch->plan->starts_s[i];
    double end_ms = start_ms + 1000.0 * steps[i].seconds;

    contract_require (g_strcmp0 (times[i].name, steps[i].name) == 0,
                      diagnose_name (watch, times[i].name),
                      "times[%zu] has the name '%s', expected '%s'", i,
                      times[i].name != NULL ? times[i].name : "(NULL)", steps[i].name);
    contract_require (
        fabs ((double) times[i].start_ms - start_ms) < 2 &&
            fabs ((double) times[i].end_ms - end_ms) < 2,
        is_wrapped (times[i].start_ms, start_ms) || is_wrapped (times[i].end_ms, end_ms)
            ? "overflow"
        : watch->in_company ? "shared-state"
                            : "wrong-times",
        "times[%zu] says that %s ran from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT
        " ms; it ran from %.0f to %.0f ms",
        i, steps[i].name, times[i].start_ms, times[i].end_ms, start_ms, end_ms);
  }
}

/* What the last two plans were given as their user_data. */
static gconstpointer given_data[2];

static void
give_data (gconstpointer user_data)
{
  given_data[1] = given_data[0];
  given_data[0] = user_data;
}

/* Before the pointer is followed. */
static void
require_given_data (gconstpointer user_data)
{
  contract_require (user_data == given_data[0] || user_data == given_data[1],
                    "wrong-user-data",
                    "done was called with another user_data than run_plan was given");
}

static void
require_returned (const Watch *watch)
{
  double after_s = contract_now_s () - watch->started_s;

  contract_require (watch->returned || after_s < EXACT_S, "blocks-the-loop",
                    "run_plan waited for %.3f s instead of returning, and called done",
                    after_s);
  contract_require (watch->returned,
                    watch->plan->steps->len == 0 ? "empty-plan" : "done-too-early",
                    "done was called before run_plan had returned");
}

static void
take_times (const StepTimes *times, gsize n_times, Watch *watch)
{
  watch->n_calls++;
  watch->done = TRUE;
  contract_require (watch->n_calls == 1, "done-twice",
                    "done was called %u times, not once", watch->n_calls);
  require_returned (watch);
  require_schedule (watch);
  contract_require (n_times == watch->plan->steps->len, "shared-state",
                    "done was given the times of %zu steps, expected %u", n_times,
                    watch->plan->steps->len);
  require_times (watch, times);
}

static void
require_own_callback (const Watch *watch, gboolean is_other)
{
  contract_require (
      watch->is_other == is_other, "shared-state",
      "two plans at once had different callbacks: the one of the other plan was called");
}

static void
on_plan_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  require_given_data (user_data);
  require_own_callback (user_data, FALSE);
  take_times (times, n_times, user_data);
}

static void
on_other_plan_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  require_given_data (user_data);
  require_own_callback (user_data, TRUE);
  take_times (times, n_times, user_data);
}

static void
ignore_times (const StepTimes *times, gsize n_times, gpointer user_data)
{
  require_given_data (user_data);
  *(gboolean *) user_data = TRUE;
}

static const char *
diagnose_refusal (const Plan *plan)
{
  if (plan->steps->len == 0)
    return "empty-plan";
  return names_needs_twice (plan) ? "need-counted-twice" : "good-plan-refused";
}

static gboolean
has_started_anything (const Watch *watch)
{
  for (gsize i = 0; i < watch->plan->steps->len; i++)
    if (!isnan (start_seen_s (&plan_steps (watch->plan)[i])))
      return TRUE;
  return FALSE;
}

/* How many steps that need nothing, and could start at once, have not. */
static gsize
count_waiting (const Plan *plan)
{
  gsize n_waiting = 0;

  for (gsize i = 0; i < plan->steps->len && plan->starts_s != NULL; i++) {
    const Step *step = &plan_steps (plan)[i];
    gboolean needs_nothing = step->needs == NULL || step->needs[0] == NULL;

    n_waiting += needs_nothing && plan->starts_s[i] == 0 && isnan (start_seen_s (step));
  }
  return n_waiting;
}

static void
start_steps (Watch *watch, const Plan *plan, const Step *steps, PlanDone done,
             gpointer user_data)
{
  GError *error = NULL;

  watch_stdout ();
  *watch = (Watch){ .plan = plan, .started_s = contract_now_s () };
  give_data (user_data);
  REQUIRE_AN_END ("busy-wait");
  gboolean started =
      run_plan (steps, plan->steps->len, plan->limit, done, user_data, &error);
  limit_cpu (0);
  double took_s = contract_now_s () - watch->started_s;

  watch->returned = TRUE;
  watch->n_waiting = count_waiting (plan);
  contract_require (took_s < EXACT_S, "blocks-the-loop",
                    "run_plan returned after %.3f s, expected at once", took_s);
  contract_require (started, diagnose_refusal (plan),
                    "run_plan returned FALSE for a plan that can be run: %s",
                    error != NULL ? error->message : "no error was set");
  contract_require (error == NULL, "wrong-error",
                    "run_plan returned TRUE and an error: %s", error->message);
  for (gsize i = 0; i < plan->steps->len; i++)
    contract_require (isnan (end_seen_s (&plan_steps (plan)[i])) ||
                          end_seen_s (&plan_steps (plan)[i]) < watch->started_s,
                      "done-too-early",
                      "when run_plan returned, %s had finished already: that is for the "
                      "main loop, even after 0 seconds",
                      plan_steps (plan)[i].name);
}

static void
start_plan (Watch *watch, const Plan *plan)
{
  start_steps (watch, plan, plan_steps (plan), on_plan_done, watch);
}

static gboolean
is_running_anything (const Watch *watch)
{
  for (gsize i = 0; i < watch->plan->steps->len; i++) {
    const Step *step = &plan_steps (watch->plan)[i];
    if (!isnan (start_seen_s (step)) && isnan (end_seen_s (step)))
      return TRUE;
  }
  return FALSE;
}

/* A step that never started although all that it needs has finished; -1: none. */
static gssize
find_overlooked (const Watch *watch)
{
  for (gsize i = 0; i < watch->plan->steps->len; i++) {
    const Step *step = &plan_steps (watch->plan)[i];

    if (isnan (start_seen_s (step)) && step->needs != NULL && step->needs[0] != NULL &&
        !isnan (ready_seen_s (watch, i)))
      return (gssize) i;
  }
  return -1;
}

/* @diagnosis is what it means if one never starts; if that is only that the plan never
 * ends, a step that was overlooked tells more. */
static void
require_all_started (const Watch *watch, const char *diagnosis)
{
  gssize overlooked = find_overlooked (watch);

  contract_require (overlooked < 0 || !g_str_equal (diagnosis, "never-quits"),
                    "wrong-schedule",
                    "%s never started, though all that it needs has finished",
                    plan_steps (watch->plan)[MAX (overlooked, 0)].name);
  for (gsize i = 0; i < watch->plan->steps->len; i++) {
    const Step *step = &plan_steps (watch->plan)[i];

    contract_require (!isnan (start_seen_s (step)), diagnosis,
                      "with at most %u at once (0: no limit) %s never started; it was "
                      "due at %.3f s",
                      watch->plan->limit, step->name, watch->plan->starts_s[i]);
  }
}

/* Whether anything starts of a plan of which nothing has started, if it has a limit. */
static gboolean
starts_with_a_limit (const Plan *plan)
{
  static gboolean done;

  give_data (&done);
  return run_plan (plan_steps (plan), plan->steps->len, plan->steps->len, ignore_times,
                   &done, NULL) &&
         has_started_anything (&(Watch){ .plan = plan });
}

/* The id for a plan of which nothing ever starts; @otherwise if nothing else does. */
static const char *
diagnose_no_start (const Plan *plan, const char *otherwise)
{
  gboolean is_limited = plan->limit > 0 || plan->steps->len == 0;

  return !is_limited && starts_with_a_limit (plan) ? "zero-is-no-limit" : otherwise;
}

/* Wait for the report, and long enough after it to see a second one.  @diagnosis is what
 * it means if some steps never start, or if there is nothing to start and no report. */
static void
require_report (const Watch *watch, const char *diagnosis)
{
  double due_s = watch->started_s + watch->plan->makespan_s;

  contract_run_until (&watch->done, 2 * watch->plan->makespan_s + 1);
  gboolean has_started = has_started_anything (watch);
  if (!watch->done && has_started) {
    /* Steps that have been lost, or only delayed? */
    if (watch->plan->limit > 0 && !is_running_anything (watch))
      require_all_started (watch, diagnosis);
    require_schedule (watch);
    require_all_started (watch, diagnosis);
  }
  if (!watch->done)
    contract_fail (
        has_started ? "never-quits" : diagnose_no_start (watch->plan, diagnosis),
        "with at most %u at once (0: no limit) done was not called%s; it was "
        "due at %.3f s",
        watch->plan->limit, has_started ? "" : ", and no step was started", due_s);
  contract_require (
      watch->n_waiting == 0 || !has_started_anything (watch), "wrong-schedule",
      "when run_plan returned %zu steps had not started, expected: all that can start at "
      "once have",
      watch->n_waiting);
  contract_run_for (MAX (due_s + 2 - contract_now_s (), 0));
}

static const char *
any_line (void)
{
  GHashTableIter iter;
  gpointer line = "";

  g_hash_table_iter_init (&iter, times_of_lines ());
  g_hash_table_iter_next (&iter, &line, NULL);
  return line;
}

/* A line that no step of the plan prints. */
static const char *
foreign_line (const Plan *plan)
{
  GHashTableIter iter;
  gpointer line;

  g_hash_table_iter_init (&iter, times_of_lines ());
  while (g_hash_table_iter_next (&iter, &line, NULL)) {
    gboolean is_own = FALSE;
    for (gsize i = 0; i < plan->steps->len && !is_own; i++)
      is_own = strstr (line, plan_steps (plan)[i].name) != NULL;
    if (!is_own)
      return line;
  }
  return NULL;
}

/* Only for the first plan of a test: no other one has printed anything yet. */
static void
require_a_start (const Watch *watch)
{
  const char *line = foreign_line (watch->plan);

  contract_require (watch->plan->steps->len == 0 || line == NULL ||
                        has_started_anything (watch),
                    "hard-coded",
                    "no step of the given plan was started, but '%s' was "
                    "printed",
                    line);
}

static void
run_one (const Plan *plan, const char *diagnosis)
{
  Watch watch;

  start_plan (&watch, plan);
  require_report (&watch, plan->otherwise != NULL ? plan->otherwise : diagnosis);
}

/* The first plan of a test has nothing special about it: who fails here knows no plan. */
static void
run_plain (const Plan *plan)
{
  Watch watch;

  start_plan (&watch, plan);
  if (!contract_run_until (&watch.done, 2 * plan->makespan_s + 1))
    require_a_start (&watch);
  require_report (&watch, "never-quits");
}

/* One plan after another, each alone; @diagnosis is what it means if all ends but the
 * first do not come. */
static void
run_given (const char *diagnosis)
{
  GPtrArray *plans = given_plans ();

  run_plain (plans->pdata[0]);
  for (guint k = 1; k < plans->len; k++)
    run_one (plans->pdata[k], diagnosis);
}

START_TEST (run_chains_and_diamonds)
{
  run_given ("never-quits");
}
END_TEST

START_TEST (run_plans_of_all_shapes)
{
  run_given ("never-quits");
}
END_TEST

/* What NULL says, an empty list of needs says as well. */
static void
give_empty_lists (const Plan *plan)
{
  for (gsize i = 0; i < plan->steps->len; i++)
    if (plan_steps (plan)[i].needs == NULL)
      plan_steps (plan)[i].needs = g_new0 (const char *, 1);
}

START_TEST (run_several_steps_without_needs)
{
  GPtrArray *plans = given_plans ();

  run_plain (plans->pdata[0]);
  run_one (plans->pdata[1], "no-needs-never-starts");
  give_empty_lists (plans->pdata[2]);
  run_one (plans->pdata[2], "no-needs-never-starts");
  run_one (plans->pdata[3], "zero-is-no-limit"); /* hundreds of them */
}
END_TEST

START_TEST (run_with_needs_named_twice)
{
  run_given ("need-counted-twice");
}
END_TEST

START_TEST (run_steps_of_no_seconds)
{
  run_given ("never-quits");
}
END_TEST

START_TEST (run_no_steps)
{
  run_one (given_plan (), "empty-plan");
}
END_TEST

/* Letters in the wrong case, signs that printf() takes for its own, thousands of letters.
 */
START_TEST (run_steps_with_unusual_names)
{
  const Plan *plan = given_plan ();
  gboolean done = FALSE;
  Watch watch;

  start_steps (&watch, plan, plan_steps (plan), ignore_times, &done);
  contract_run_until (&done, plan->makespan_s + 1);
  for (gsize i = 0; i < plan->steps->len; i++) {
    const Step *step = &plan_steps (plan)[i];
    const char *diagnosis =
        strlen (step->name) > LONGEST_USUAL_NAME ? "hard-coded" : "output-differs";

    contract_require (!isnan (start_seen_s (step)) && !isnan (end_seen_s (step)),
                      diagnosis,
                      "not every line came of the step '%.40s', whose name has %zu bytes",
                      step->name, strlen (step->name));
  }
  contract_require (done, "never-quits", "done was not called");
}
END_TEST

/* Their seconds fit into 32 bits, as milliseconds just so, as microseconds not. */
START_TEST (run_steps_of_weeks)
{
  const Plan *plan = given_plan ();
  const Step *steps = plan_steps (plan); /* one of seconds, of an hour, of 49 days */
  gboolean done = FALSE;
  Watch watch;

  start_steps (&watch, plan, steps, ignore_times, &done);
  contract_run_for (steps[1].seconds + 1);
  for (gsize i = 0; i < plan->steps->len; i++) {
    double due_s = start_seen_s (&steps[i]) + steps[i].seconds;
    double seen_s = end_seen_s (&steps[i]);
    gboolean is_due = due_s < contract_now_s ();
    const char *line = isnan (due_s) || is_due ? misworded_line (&steps[i]) : NULL;

    contract_require (line == NULL || !isnan (due_s - seen_s), "output-differs",
                      "a step of %u s printed '%.100s', not what it must",
                      steps[i].seconds, line);
    contract_require (
        !isnan (seen_s) || !is_due || contract_is_timer_set (), "never-quits",
        "a step of %u s was due to finish at %.0f s, but no timer is set on the "
        "main context of the loop",
        steps[i].seconds, due_s);
    contract_require (!isnan (seen_s) || !is_due, i == 0 ? "wrong-unit" : "overflow",
                      "a step of %u s was due to finish at %.0f s, but had not by %.0f s",
                      steps[i].seconds, due_s, contract_now_s ());
    contract_require (isnan (seen_s) || is_at (seen_s, due_s),
                      i == 0 ? "wrong-unit" : "overflow",
                      "a step of %u s was due to finish at %.0f s, finished at %.3f s",
                      steps[i].seconds, due_s, seen_s);
  }
}
END_TEST

/* Simulated weeks would be too many for a program that counts ticks.  So the only clock
 * that jumps is GLib's, for whoever asks it how late it is: the timers do not. */

static gint64 jumped_us;

gint64
g_get_monotonic_time (void)
{
  static gint64 (*real) (void);

  if (real == NULL)
    real = (gint64 (*) (void)) dlsym (RTLD_NEXT, "g_get_monotonic_time");
  return real () + jumped_us;
}

static void
require_end_ms (const StepTimes *times, gsize n_times, gpointer user_data)
{
  const double due_ms = 1000 * *(double *) user_data;
  const double jumped_ms = (double) jumped_us / 1000;

  require_given_data (user_data);
  contract_require (fabs ((double) times[0].end_ms - due_ms) < 2 ||
                        fabs ((double) times[0].end_ms - due_ms - jumped_ms) < 2,
                    "overflow",
                    "when a step finished after 30 days, times[0].end_ms was "
                    "%" G_GINT64_FORMAT ", expected %.0f",
                    times[0].end_ms, due_ms + jumped_ms);
  *(double *) user_data = 0;
}

START_TEST (times_after_weeks)
{
  GPtrArray *plans = given_plans ();
  const Plan *plan = plans->pdata[1];
  double makespan_s = plan->makespan_s;
  Watch watch;

  run_plain (plans->pdata[0]);
  start_steps (&watch, plan, plan_steps (plan), require_end_ms, &makespan_s);
  jumped_us = 30 * G_TIME_SPAN_DAY; /* more milliseconds than a gint holds */
  contract_run_for (plan->makespan_s + 1);
  jumped_us = 0;
  contract_require (makespan_s == 0, "never-quits", "done was not called");
}
END_TEST

/* In milliseconds, more than 32 bits hold. */
START_TEST (times_of_months)
{
  const Plan *plan = given_plan ();
  Watch watch;

  start_plan (&watch, plan);
  if (contract_ticks ())
    return; /* It would take hours. */
  require_report (&watch, "never-quits");
}
END_TEST

enum { LATE_S = 1 };

typedef struct {
  const Step *step;
  double started_s;
  gboolean done;
} LateRun;

static void
require_seen_end (const StepTimes *times, gsize n_times, gpointer user_data)
{
  LateRun *run = user_data;

  require_given_data (user_data);
  double end_ms = 1000 * (end_seen_s (run->step) - run->started_s);
  contract_require (
      n_times == 1 && fabs ((double) times[0].end_ms - end_ms) < 2, "wrong-times",
      "somebody had held up the loop: a step of %u s finished after %.0f ms, "
      "but times[0].end_ms is %" G_GINT64_FORMAT,
      run->step->seconds, end_ms, times[0].end_ms);
  run->done = TRUE;
}

/* The loop is held up from before the end of the step until after it. */
START_TEST (times_when_the_loop_is_late)
{
  const Plan *plan = given_plan ();
  const Step *steps = plan_steps (plan);
  LateRun run = { .step = steps, .started_s = contract_now_s () };
  Watch watch;

  contract_hold_up_loop (steps[0].seconds - LATE_S, 2 * LATE_S);
  start_steps (&watch, plan, steps, require_seen_end, &run);
  contract_run_until (&run.done, steps[0].seconds + 2 * LATE_S);
  contract_require (run.done, "never-quits", "done was not called");
}
END_TEST

START_TEST (run_with_a_limit)
{
  run_given ("slot-not-given-back");
}
END_TEST

START_TEST (run_ties_by_position)
{
  run_given ("slot-not-given-back");
}
END_TEST

START_TEST (run_with_a_limit_beyond_the_plan)
{
  run_given ("slot-not-given-back");
}
END_TEST

/* ---- run_plan refuses ---- */

typedef struct {
  gboolean returned; /* run_plan() has returned */
  gboolean accepted; /* ... TRUE */
} Refusal;

static void
on_refused_plan_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  const Refusal *refusal = user_data;
  gboolean inside = !refusal->returned;

  contract_fail (!inside && refusal->accepted ? "cycle-missed" : "error-convention",
                 "done was called%s for a plan that can not be run",
                 inside               ? " by run_plan itself, before it returned,"
                 : !refusal->accepted ? ", though run_plan had returned FALSE,"
                                      : "");
}

START_TEST (run_refuses_a_cycle)
{
  const Plan *plan = given_plan ();
  static Refusal refusal; /* Outlives this test, should done come too late. */
  GError *error = NULL;

  refusal = (Refusal){ 0 };
  REQUIRE_AN_END ("cycle-hangs");
  watch_stdout ();
  gboolean started = run_plan (plan_steps (plan), plan->steps->len, 0,
                               on_refused_plan_done, &refusal, &error);
  refusal = (Refusal){ .returned = TRUE, .accepted = started };

  contract_run_for (3600);
  limit_cpu (0);
  contract_require (!started || error == NULL, "error-convention",
                    "run_plan set an error, and returned TRUE all the same");
  contract_require (!started, "cycle-missed",
                    "run_plan returned TRUE for a plan with a cycle, and then waited for "
                    "ever");
  contract_require (error != NULL, "error-not-set",
                    "run_plan returned FALSE, but set no error");
  contract_require (!has_started_anything (&(Watch){ .plan = plan }), "cycle-missed",
                    "a step was started although the plan can not be run");
  contract_require (g_hash_table_size (times_of_lines ()) == 0, "unexpected-output",
                    "run_plan refused the plan, but printed something: '%.100s'",
                    any_line ());
}
END_TEST

/* First a short chain, then one that is too long to wait for: its start is seen at once.
 */
static void
require_chain_first (void)
{
  GPtrArray *plans = given_plans ();
  const Plan *plan = plans->pdata[1];
  const Step *steps = plan_steps (plan);
  Watch watch;

  run_one (plans->pdata[0], "never-quits");
  start_plan (&watch, plan);
  contract_run_for (0);
  contract_require (isnan (start_seen_s (&steps[0])), "overflow",
                    "with at most 1 at once %s started first, a step of %u s; %s is the "
                    "head of %u steps of %u s each",
                    steps[0].name, steps[0].seconds, steps[1].name, plan->steps->len - 1,
                    steps[1].seconds);
  contract_require (!isnan (start_seen_s (&steps[1])), "never-quits",
                    "no step was started");
}

START_TEST (run_longest_path_first_beyond_31_bits)
{
  require_chain_first ();
}
END_TEST

START_TEST (run_longest_path_first_beyond_32_bits)
{
  require_chain_first ();
}
END_TEST

START_TEST (run_hundreds_of_needs)
{
  run_given ("slot-not-given-back");
}
END_TEST

static void
require_refusal_without_reason (const Plan *plan)
{
  const Step *steps = plan_steps (plan);
  gsize n_steps = plan->steps->len;
  const guint64 untouched_s = 4711;
  guint64 makespan_s = untouched_s;
  gboolean accepted =
      plan_order (steps, n_steps, NULL) != NULL ||
      plan_critical_path (steps, n_steps, &makespan_s, NULL) != NULL ||
      run_plan (steps, n_steps, 0, on_refused_plan_done_at_once, NULL, NULL);

  contract_require (!accepted, "error-convention",
                    "a plan that can not be run was accepted when error was NULL");
  contract_require (makespan_s == untouched_s, "error-convention",
                    "plan_critical_path returned NULL, but set *makespan_s to "
                    "%" G_GUINT64_FORMAT,
                    makespan_s);
}

/* If the process dies after the note, it is of this. */
START_TEST (refuses_without_saying_why)
{
  GPtrArray *plans = given_plans ();

  REQUIRE_AN_END ("cycle-hangs");
  for (guint k = 0; k < plans->len; k++) {
    refuse_order (plans->pdata[k], diagnose_accepted (plans->pdata[k]));
    refuse_run (plans->pdata[k], diagnose_accepted (plans->pdata[k]));
  }
  contract_note ("error-convention", "the process ended when error was NULL");
  for (guint k = 0; k < plans->len; k++)
    require_refusal_without_reason (plans->pdata[k]);
  limit_cpu (0);
}
END_TEST

/* ---- Several plans, arrays that go away ---- */

START_TEST (run_two_in_flight)
{
  GPtrArray *plans = given_plans ();
  Watch first;
  Watch second;

  start_plan (&first, plans->pdata[0]);
  first.in_company = TRUE;
  contract_run_for (1);
  const Plan *plan = plans->pdata[1];
  start_steps (&second, plan, plan_steps (plan), on_other_plan_done, &second);
  second.in_company = second.is_other = TRUE;
  require_report (&first, "shared-state");
  require_report (&second, "shared-state");
}
END_TEST

START_TEST (run_two_with_the_same_names)
{
  const Plan *plan = given_plan ();
  Watch first;
  Watch second;

  start_plan (&first, plan);
  first.in_company = first.has_a_twin = TRUE;
  contract_run_for (1);
  start_plan (&second, plan);
  second.in_company = second.has_a_twin = TRUE;
  require_report (&first, "shared-state");
  require_report (&second, "shared-state");
}
END_TEST

static gboolean
is_order_of (const Plan *plan, const GArray *order)
{
  return order != NULL && order->len == plan->order->len &&
         memcmp (order->data, plan->order->data, order->len * sizeof (gsize)) == 0;
}

/* What was found out about one plan says nothing about the next in the same memory. */
START_TEST (order_of_another_plan_in_the_same_array)
{
  GPtrArray *plans = given_plans ();
  const Plan *first = plans->pdata[0];
  const Plan *second = plans->pdata[1];
  gsize n_steps = first->steps->len;
  g_autofree Step *steps = g_memdup2 (plan_steps (first), n_steps * sizeof (Step));

  REQUIRE_AN_END ("shared-state");
  g_autoptr (GArray) before = plan_order (steps, n_steps, NULL);
  gboolean was_right = is_order_of (first, before);
  memcpy (steps, plan_steps (second), n_steps * sizeof (Step));
  g_autoptr (GArray) after = plan_order (steps, n_steps, NULL);

  limit_cpu (0);
  contract_require (!was_right || is_order_of (second, after), "shared-state",
                    "after another plan had been put into the same array, plan_order "
                    "still did not return the order of that one");
  contract_require (!was_right || is_order_of (first, before), "shared-state",
                    "the order that plan_order had returned was overwritten by the next "
                    "call, but it is the caller's");
}
END_TEST

typedef struct {
  Watch first;
  Watch second;
  const Plan *next;
} Chain;

static void
on_first_of_two_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  Chain *chain = user_data;

  require_given_data (user_data);
  take_times (times, n_times, &chain->first);
  start_plan (&chain->second, chain->next);
}

START_TEST (run_from_a_callback)
{
  GPtrArray *plans = given_plans ();
  Chain chain = { .next = plans->pdata[1] };
  const Plan *plan = plans->pdata[0];

  start_steps (&chain.first, plan, plan_steps (plan), on_first_of_two_done, &chain);
  contract_run_until (&chain.first.done, plan->makespan_s + 1);
  contract_require (chain.first.done, "never-quits", "done was not called");
  require_report (&chain.second, "shared-state");
}
END_TEST

/* A copy of the steps and their lists of needs, overwritten when run_plan() has returned.
 */
START_TEST (run_steps_are_reused)
{
  GPtrArray *plans = given_plans ();
  const Plan *plan = plans->pdata[1];
  gsize n_steps = plan->steps->len;
  Step *steps = g_memdup2 (plan_steps (plan), n_steps * sizeof (Step));
  Watch watch;

  run_plain (plans->pdata[0]);
  for (gsize i = 0; i < n_steps; i++)
    if (steps[i].needs != NULL)
      steps[i].needs = (const char *const *) g_strdupv ((char **) steps[i].needs);
  start_steps (&watch, plan, steps, on_plan_done, &watch);
  for (gsize i = 0; i < n_steps; i++)
    g_strfreev ((char **) steps[i].needs);
  memset (steps, 0, n_steps * sizeof (Step));
  g_free (steps);
  require_report (&watch, "dangling-user-data");
}
END_TEST

/* A caller who lends the names, and takes them back as soon as done is called. */
typedef struct {
  Watch watch;
  Step *lent;
} Lender;

static void
on_lent_plan_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  Lender *lender = user_data;

  require_given_data (user_data);
  take_times (times, n_times, &lender->watch);
  for (gsize i = 0; i < n_times; i++)
    contract_take_back ((char *) lender->lent[i].name);
}

START_TEST (names_go_away_when_done_is_called)
{
  const Plan *plan = given_plan ();
  gsize n_steps = plan->steps->len;
  Lender lender = { .lent = g_memdup2 (plan_steps (plan), n_steps * sizeof (Step)) };

  for (gsize i = 0; i < n_steps; i++)
    lender.lent[i].name = contract_lend (lender.lent[i].name);
  start_steps (&lender.watch, plan, lender.lent, on_lent_plan_done, &lender);
  require_report (&lender.watch, "never-quits");
}
END_TEST

/* ---- The loop stays free, the heap stays the same ---- */

/* Only whether the loop is free: what else goes wrong costs marks elsewhere. */
START_TEST (loop_stays_responsive)
{
  static gboolean done; /* Outlives this test, should a report come too late. */
  const Plan *plan = given_plan ();

  done = FALSE;
  contract_heartbeat_start ();
  give_data (&done);
  run_plan (plan_steps (plan), plan->steps->len, plan->limit, ignore_times, &done, NULL);
  contract_run_until (&done, 2 * plan->makespan_s + 1);
  double late_s = contract_heartbeat_stop ();

  contract_require (late_s < EXACT_S, "blocks-the-loop",
                    "a tick that was due every 0.1 s on the same loop came %.3f s late",
                    late_s);
  contract_require (done, "never-quits", "done was not called");
}
END_TEST

enum { N_WARM_UPS = 3, N_ROUNDS = 20 };

static void
require_same_heap_with (const Plan *plan, void (*once) (const Plan *plan),
                        const char *what)
{
  for (guint i = 0; i < N_WARM_UPS; i++)
    once (plan);
  gsize before = contract_heap_in_use ();
  for (guint i = 0; i < N_ROUNDS; i++)
    once (plan);
  gsize after = contract_heap_in_use ();

  contract_require (
      after < before + N_ROUNDS, "memory-leak",
      "%d calls of %s with a plan of %u steps left %zu bytes of heap behind, "
      "%zu for each call",
      N_ROUNDS, what, plan->steps->len, after - before, (after - before) / N_ROUNDS);
}

static void
require_same_heap (void (*once) (const Plan *plan), const char *what)
{
  GPtrArray *plans = given_plans ();

  for (guint k = 0; k < plans->len; k++)
    require_same_heap_with (plans->pdata[k], once, what);
}

static void
run_and_forget (const Plan *plan)
{
  gboolean done = FALSE;

  give_data (&done);
  run_plan (plan_steps (plan), plan->steps->len, plan->limit, ignore_times, &done, NULL);
  contract_run_until (&done, 60);
  contract_require (done, "never-quits", "done was not called");
  contract_run_for (1); /* The loop has waited once more: all must be freed by now. */
}

static void
analyse_and_forget (const Plan *plan)
{
  guint64 makespan_s;
  g_autoptr (GArray) order = plan_order (plan_steps (plan), plan->steps->len, NULL);
  g_autoptr (GArray) path =
      plan_critical_path (plan_steps (plan), plan->steps->len, &makespan_s, NULL);

  contract_require (order != NULL && path != NULL,
                    names_needs_twice (plan) ? "need-counted-twice" : "good-plan-refused",
                    "NULL was returned");
}

enum { LONGEST_BLADE_S = 8 }; /* GLib looks at all timers each time that some are due. */

/* The names of steps in one block: to allocate thousands of small ones takes longer than
 * what is tested. */
enum { NAME_BYTES = 24 };
typedef char Name[NAME_BYTES];

/* One step, then all but the last at once, then the last, which needs them all.  Which of
 * the many that are ready is the most urgent has nothing to do with where they stand. */
static Plan *
new_fan (gsize n_steps)
{
  Plan *plan = g_new0 (Plan, 1);
  const char **first = g_new0 (const char *, 2);
  const char **all = g_new0 (const char *, n_steps);
  Name *names = g_new (Name, n_steps);

  plan->steps = g_array_new (FALSE, TRUE, sizeof (Step));
  for (gsize i = 0; i < n_steps; i++) {
    Step step = { names[i], 1, NULL };

    g_snprintf (names[i], NAME_BYTES, "blade-%zu", i);
    if (i == n_steps - 1) {
      step.needs = all;
    } else if (i > 0) {
      step.needs = first;
      step.seconds = (guint) (1 + i * 5 % LONGEST_BLADE_S);
    }
    g_array_append_val (plan->steps, step);
    if (i < n_steps - 1)
      all[i] = step.name;
    first[0] = all[0];
  }
  plan->makespan_s = 1 + LONGEST_BLADE_S + 1;
  return plan;
}

/* More than any plan before: what is kept for the next one, or until then, shows. */
enum { N_MOST = 250 };

static void
require_nothing_kept (void (*once) (const Plan *plan), const char *what)
{
  const Plan *large = new_fan (N_MOST);

  contract_run_timers (N_MOST);
  once (given_plan ());
  gsize before = contract_heap_in_use ();
  once (large);
  gsize after = contract_heap_in_use ();

  contract_require (
      after < before + N_MOST * sizeof (gpointer), "memory-leak",
      "%s with a plan of %d steps left %zu bytes of heap behind, though with "
      "small ones none: what is kept for the next call is not freed",
      what, N_MOST, after - before);
}

START_TEST (run_leaves_nothing_behind)
{
  REQUIRE_AN_END_WITHIN (SMALL_CPU_LIMIT_S, "never-quits");
  require_same_heap (analyse_and_forget, "plan_order and plan_critical_path");
  require_same_heap (run_and_forget, "run_plan");
  require_nothing_kept (analyse_and_forget, "plan_order and plan_critical_path");
  require_nothing_kept (run_and_forget, "run_plan");
  limit_cpu (0);
}
END_TEST

static void
refuse_and_forget (const Plan *plan)
{
  guint64 makespan_s;
  g_autoptr (GError) first = NULL;
  g_autoptr (GError) second = NULL;
  g_autoptr (GError) third = NULL;
  gsize n_steps = plan->steps->len;

  contract_require (
      plan_order (plan_steps (plan), n_steps, &first) == NULL &&
          plan_critical_path (plan_steps (plan), n_steps, &makespan_s, &second) == NULL &&
          (!run_plan (plan_steps (plan), n_steps, 0, ignore_times, NULL, &third) ||
           third != NULL),
      diagnose_accepted (plan), "a plan that can not be run was not refused");
}

/* The same if nobody wants to know the reason. */
static void
refuse_silently (const Plan *plan)
{
  guint64 makespan_s;
  gsize n_steps = plan->steps->len;

  plan_order (plan_steps (plan), n_steps, NULL);
  plan_critical_path (plan_steps (plan), n_steps, &makespan_s, NULL);
  run_plan (plan_steps (plan), n_steps, 0, ignore_times, NULL, NULL);
}

START_TEST (refusing_leaves_nothing_behind)
{
  REQUIRE_AN_END ("cycle-hangs");
  require_same_heap (refuse_and_forget, "all three functions");
  contract_note ("error-convention", "the process ended when error was NULL");
  require_same_heap (refuse_silently, "all three functions without an error");
  limit_cpu (0);
}
END_TEST

/* ---- Plans of thousands of steps ---- */

enum { N_NEEDS = 5, WIDTH = 50 };

/* Layers of WIDTH steps, each of which needs N_NEEDS of the layer before it. */
static Plan *
new_layered_plan (gsize n_steps)
{
  Plan *plan = g_new0 (Plan, 1);
  g_autoptr (GRand) rand = g_rand_new_with_seed (20);
  Name *names = g_new (Name, n_steps);
  const char **needs = g_new0 (const char *, (N_NEEDS + 1) * n_steps);

  plan->steps = g_array_new (FALSE, TRUE, sizeof (Step));
  for (gsize i = 0; i < n_steps; i++, needs += N_NEEDS + 1) {
    Step step = { names[i], 1, needs };
    gsize before = i / WIDTH * WIDTH; /* where this layer begins */

    g_snprintf (names[i], NAME_BYTES, "%08x-%zu", g_rand_int (rand), i);
    for (gsize k = 0; k < N_NEEDS && before > 0; k++)
      needs[k] = names[before - WIDTH + (i + k * 3) % WIDTH];
    g_array_append_val (plan->steps, step);
    if (i % WIDTH == 0)
      plan->makespan_s += step.seconds;
  }
  return plan;
}

static Plan *
new_chain (gsize n_steps)
{
  Plan *plan = g_new0 (Plan, 1);
  Name *names = g_new (Name, n_steps);
  const char **needs = g_new0 (const char *, n_steps * 2);

  plan->steps = g_array_new (FALSE, TRUE, sizeof (Step));
  for (gsize i = 0; i < n_steps; i++, needs += 2) {
    Step step = { names[i], 1, needs };

    g_snprintf (names[i], NAME_BYTES, "link-%zu", i);
    needs[0] = i > 0 ? names[i - 1] : NULL;
    g_array_append_val (plan->steps, step);
  }
  plan->makespan_s = n_steps;
  return plan;
}

/* The first step needs the last one. */
static Plan *
new_circle (gsize n_steps)
{
  Plan *circle = new_chain (n_steps);

  ((const char **) plan_steps (circle)[0].needs)[0] =
      plan_steps (circle)[n_steps - 1].name;
  return circle;
}

/* The last step first: who goes from step to step in the order of the array goes far. */
static Plan *
new_chain_backwards (gsize n_steps)
{
  Plan *chain = new_chain (n_steps);
  Step *steps = plan_steps (chain);

  for (gsize i = 0; i < n_steps / 2; i++) {
    Step swapped = steps[i];
    steps[i] = steps[n_steps - 1 - i];
    steps[n_steps - 1 - i] = swapped;
  }
  return chain;
}

static void
analyse_chain (const Plan *plan)
{
  guint64 makespan_s;
  g_autoptr (GArray) order = require_order (plan, "good-plan-refused");
  g_autoptr (GArray) path =
      plan_critical_path (plan_steps (plan), plan->steps->len, &makespan_s, NULL);

  contract_require (path != NULL && makespan_s == plan->steps->len, "wrong-critical-path",
                    "the makespan of %u steps of 1 s in a row is not %u s",
                    plan->steps->len, plan->steps->len);
}

static void
run_quietly (const Plan *plan)
{
  gboolean done = FALSE;
  double started_s = contract_now_s ();

  contract_be_quiet (); /* To read the output costs more than a plan itself. */
  give_data (&done);
  run_plan (plan_steps (plan), plan->steps->len, 0, ignore_times, &done, NULL);
  contract_run_until (&done, plan->makespan_s + 1);
  contract_require (done, "wrong-elapsed",
                    "done was not called when the plan of %u steps was due, after %.0f s",
                    plan->steps->len, plan->makespan_s);
  contract_require (is_at (contract_now_s (), started_s + plan->makespan_s),
                    "wrong-elapsed", "a plan of %u steps took %.3f s, expected %.0f s",
                    plan->steps->len, contract_now_s () - started_s, plan->makespan_s);
}

/* Steps that could all start at once, no two neighbours equally urgent. */
static Plan *
new_roots (gsize n_steps)
{
  Plan *plan = g_new0 (Plan, 1);
  Name *names = g_new (Name, n_steps);

  plan->steps = g_array_new (FALSE, TRUE, sizeof (Step));
  for (gsize i = 0; i < n_steps; i++) {
    Step step = { names[i], (guint) (1 + i * 7919 % 10007), NULL };

    g_snprintf (names[i], NAME_BYTES, "root-%zu", i);
    g_array_append_val (plan->steps, step);
  }
  return plan;
}

/* Only the beginning, with room for one: all others wait, in whatever they wait in.  The
 * loop waits, too: a program may ask for the time at each step, but not on and on. */
static void
begin_to_run (const Plan *plan)
{
  static gboolean done;

  contract_be_quiet ();
  give_data (&done);
  run_plan (plan_steps (plan), plan->steps->len, 1, ignore_times, &done, NULL);
  contract_run_for (0.001);
}

START_TEST (ten_thousand_in_a_row)
{
  Plan *forwards = new_chain (10000);
  Plan *backwards = new_chain_backwards (10000);
  Plan *circle = new_circle (10000);
  Plan *short_chain = new_chain (300);

  int signal_number = sigsetjmp (back, 1);
  contract_require (signal_number != SIGSEGV, "recursion-overflow",
                    "the stack overflowed on a plan of 10000 steps in a row");
  contract_require (signal_number != SIGPROF, "quadratic",
                    "it was still computing after %g s of processor time", CPU_LIMIT_S);
  limit_cpu (CPU_LIMIT_S);
  limit_stack ();
  analyse_chain (forwards);
  analyse_chain (backwards);
  contract_require (plan_order (plan_steps (circle), circle->steps->len, NULL) == NULL,
                    "cycle-missed", "a cycle of %u steps was not refused",
                    circle->steps->len);
  run_quietly (short_chain);
  begin_to_run (forwards);
  begin_to_run (backwards);
  limit_cpu (0);
}
END_TEST

START_TEST (ten_thousand_steps_fifty_thousand_needs)
{
  Plan *plan = new_layered_plan (10000);
  guint64 makespan_s = 0;

  REQUIRE_AN_END ("quadratic");
  g_autoptr (GArray) order = require_order (plan, "good-plan-refused");
  g_autoptr (GArray) path =
      plan_critical_path (plan_steps (plan), plan->steps->len, &makespan_s, NULL);

  contract_require (path != NULL && (double) makespan_s == plan->makespan_s,
                    "wrong-critical-path",
                    "the makespan is %" G_GUINT64_FORMAT " s, expected %.0f s",
                    makespan_s, plan->makespan_s);
  require_path (plan, path, makespan_s);
  limit_cpu (0);
}
END_TEST

/* ---- How the work grows ----
 *
 * A program whose work is in proportion to steps plus needs takes 16 times as long for a
 * plan 16 times as large, one that looks through all steps for each step 256 times.  The
 * processor time of both is measured, and the ratio judged: no stopwatch, for it is the
 * same on a slow machine and on a busy one.
 */

enum { SMALL = 160, TIMES_LARGER = 16, TOO_MANY_TIMES = 40 };
enum { N_ROUNDS_MEASURED = 4, N_SMALL = 6 /* in each round */ };

static double
cpu_s (void)
{
  struct timespec now;

  /* The thread's: the process's is coarse while a limit_cpu() is under way. */
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &now);
  return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static double
cpu_s_of (void (*work) (const Plan *plan), const Plan *plan)
{
  double before_s = cpu_s ();

  work (plan);
  return cpu_s () - before_s;
}

/* How many times the large plan costs what the small one does, at one moment.  The mean
 * of the small ones: the luckiest would be of a calmer moment than the large one can
 * have. */
static double
times_the_cost (void (*work) (const Plan *plan), const Plan *small, const Plan *large)
{
  double small_s = 0;

  for (guint i = 0; i < N_SMALL; i++)
    small_s += cpu_s_of (work, small) / N_SMALL;
  return cpu_s_of (work, large) / small_s;
}

/* What else this machine does may slow down the one or the other: so both are measured
 * again and again, side by side, and a single round in which all is well is believed. */
static void
require_moderate_growth (void (*work) (const Plan *plan), const char *function,
                         Plan *(*new_plan) (gsize n_steps), guint n_steps)
{
  Plan *small = new_plan (n_steps);
  Plan *large = new_plan (n_steps * TIMES_LARGER);
  double times = INFINITY;

  REQUIRE_AN_END ("quadratic");
  for (guint i = 0; i < N_ROUNDS_MEASURED && times >= TOO_MANY_TIMES; i++)
    times = MIN (times, times_the_cost (work, small, large));
  limit_cpu (0);

  contract_require (times < TOO_MANY_TIMES, "quadratic",
                    "a plan with %d times the steps and needs cost %s %.0f times the "
                    "processor time; in proportion it would be about %d times",
                    TIMES_LARGER, function, times, TIMES_LARGER);
}

static void
order_plan (const Plan *plan)
{
  g_autoptr (GArray) order = plan_order (plan_steps (plan), plan->steps->len, NULL);

  contract_require (order != NULL, "good-plan-refused", "plan_order returned NULL");
}

static void
find_critical_path (const Plan *plan)
{
  guint64 makespan_s;
  g_autoptr (GArray) path =
      plan_critical_path (plan_steps (plan), plan->steps->len, &makespan_s, NULL);

  contract_require (path != NULL, "good-plan-refused",
                    "plan_critical_path returned NULL");
}

START_TEST (order_grows_with_the_plan)
{
  require_moderate_growth (order_plan, "plan_order", new_layered_plan, SMALL);
  /* To look through a list of pointers costs little for each: only many tell. */
  require_moderate_growth (order_plan, "plan_order", new_fan, SMALL * 4);
}
END_TEST

START_TEST (critical_path_grows_with_the_plan)
{
  require_moderate_growth (find_critical_path, "plan_critical_path", new_layered_plan,
                           SMALL);
}
END_TEST

START_TEST (run_grows_with_the_plan)
{
  require_moderate_growth (run_quietly, "run_plan", new_layered_plan, SMALL * 3 / 4);
  /* Few enough for a program that has a file descriptor for each step that runs. */
  require_moderate_growth (run_quietly, "run_plan", new_fan, SMALL * 2 / 5);
  /* To keep a queue sorted costs little for each step: only many tell. */
  require_moderate_growth (begin_to_run, "run_plan", new_roots, SMALL * 3);
}
END_TEST

void
before_contract_test (void)
{
  stop_watching_stdout ();
  memset (given_data, 0, sizeof given_data);
  jumped_us = 0;
}

void
add_contract_tests (void)
{
  contract_add (order_of_plans_of_all_shapes);
  contract_add (order_with_needs_named_twice);
  contract_add (refuses_names_that_do_not_fit);
  contract_add (refuses_a_cycle);
  contract_add (critical_path_of_plans_of_all_shapes);
  contract_add (critical_path_of_no_steps);
  contract_add (critical_path_beyond_32_bits);
  contract_add (run_chains_and_diamonds);
  contract_add (run_plans_of_all_shapes);
  contract_add (run_several_steps_without_needs);
  contract_add (run_with_needs_named_twice);
  contract_add (run_steps_of_no_seconds);
  contract_add (run_no_steps);
  contract_add (run_steps_with_unusual_names);
  contract_add (times_after_weeks);
  contract_add (times_of_months);
  contract_add (times_when_the_loop_is_late);
  contract_add (run_with_a_limit);
  contract_add (run_ties_by_position);
  contract_add (run_with_a_limit_beyond_the_plan);
  contract_add (run_longest_path_first_beyond_31_bits);
  contract_add (run_longest_path_first_beyond_32_bits);
  contract_add (run_hundreds_of_needs);
  contract_add (run_refuses_a_cycle);
  contract_add (order_of_another_plan_in_the_same_array);
  contract_add (run_two_in_flight);
  contract_add (run_two_with_the_same_names);
  contract_add (run_from_a_callback);
  contract_add (run_steps_are_reused);
  contract_add (names_go_away_when_done_is_called);
  contract_add (loop_stays_responsive);
  contract_add (ten_thousand_steps_fifty_thousand_needs);
  contract_add (refuses_without_saying_why);
  contract_add (refusing_leaves_nothing_behind);
  contract_add_alone (run_steps_of_weeks); /* It leaves one under way. */
  contract_add_alone (run_leaves_nothing_behind);
  contract_add_alone (ten_thousand_in_a_row);
  contract_add_alone (order_grows_with_the_plan);
  contract_add_alone (critical_path_grows_with_the_plan);
  contract_add_alone (run_grows_with_the_plan);
}
