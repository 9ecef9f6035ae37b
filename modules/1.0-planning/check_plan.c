/* SPDX-License-Identifier: MIT
 *
 * Contract tests of module 1.0: plan_order(), plan_critical_path() and run_plan() on plans
 * that their author has never seen, on the virtual clock.
 *
 * The plans come from scenarios.py as lines:
 *
 *   plan LIMIT                        a plan begins; LIMIT is max_parallel
 *   step SECONDS NAME NEED...         one step of it
 *   order POSITION...                 what plan_order() must return
 *   makespan SECONDS                  what plan_critical_path() must find
 *   instead SECONDS DIAGNOSIS         what it finds under a misconception
 *   starts SECONDS...                 when run_plan() must start each step
 *   instead DIAGNOSIS SECONDS...      when it starts them under a misconception
 *
 * The first argument of each failure is the diagnosis that it stands for.
 */
#include "plan.h"

#include "harness.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

/* Timers have whole milliseconds; nothing else takes time on the virtual clock. */
static const double EXACT_S = 0.0015;

/* ---- The plans of the running test ---- */

typedef struct {
  const char *diagnosis;
  double *starts_s;    /* of each step, for run_plan() */
  guint64 makespan_s; /* for plan_critical_path() */
} Misconception;

typedef struct {
  guint limit;
  GArray *steps;     /* of Step */
  GArray *order;     /* of gsize; what plan_order() must return */
  double *starts_s;  /* what run_plan() must do */
  double makespan_s; /* when the last step must end */
  guint64 path_s;    /* what plan_critical_path() must find */
  GArray *misconceptions;
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
  } else if (g_str_equal (words[0], "instead")) {
    read_instead (plan, words);
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

/* ---- Against endless loops and endless recursion ----
 *
 * Code that never returns, or that overflows the stack, is brought back here, so that the
 * test can say what that means.  Processor time is real on the virtual clock as well.
 */

static const int CPU_LIMIT_S = 4;
static const rlim_t SMALL_STACK_BYTES = 512 * 1024; /* 52 bytes for each step in a row */

static sigjmp_buf back;

static void
jump_back (int signal_number)
{
  siglongjmp (back, signal_number);
}

static void
watch_out_for (int signal_number)
{
  static char signal_stack[64 * 1024];
  const stack_t stack = { .ss_sp = signal_stack, .ss_size = sizeof signal_stack };
  struct sigaction action = { .sa_handler = jump_back, .sa_flags = SA_ONSTACK };

  sigaltstack (&stack, NULL);
  sigaction (signal_number, &action, NULL);
}

static void
limit_cpu (int seconds)
{
  const struct itimerval limit = { .it_value.tv_sec = seconds };

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
  watch_out_for (SIGSEGV);
}

/* Fail with @diagnosis if what follows takes more than CPU_LIMIT_S of processor time. */
#define REQUIRE_AN_END(diagnosis)                                                        \
  do {                                                                                   \
    if (sigsetjmp (back, 1) != 0)                                                        \
      contract_fail (diagnosis, "it was still computing after %d s of processor time",   \
                     CPU_LIMIT_S);                                                       \
    limit_cpu (CPU_LIMIT_S);                                                             \
  } while (0)

/* ---- plan_order ---- */

static void
require_each_step_once (const Plan *plan, const GArray *order)
{
  gsize n_steps = plan->steps->len;
  g_autofree gboolean *seen = g_new0 (gboolean, n_steps);

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
      contract_require (g_hash_table_contains (before, *need), "not-an-order",
                        "%s stands before %s, which it needs", step->name, *need);
    g_hash_table_add (before, (char *) step->name);
  }
}

static GArray *
require_order (const Plan *plan, const char *diagnosis)
{
  GError *error = NULL;
  GArray *order = plan_order (plan_steps (plan), plan->steps->len, &error);

  contract_require (order != NULL, diagnosis,
                    "plan_order returned NULL for a plan of %u steps that has an order: %s",
                    plan->steps->len, error != NULL ? error->message : "no error was set");
  contract_require (error == NULL, "error-set-on-success",
                    "plan_order returned an order and an error: %s", error->message);
  require_each_step_once (plan, order);
  require_needs_come_first (plan, order);
  return order;
}

static void
require_order_of_given (const char *diagnosis)
{
  GPtrArray *plans = given_plans ();

  REQUIRE_AN_END ("never-ends");
  for (guint k = 0; k < plans->len; k++) {
    const Plan *plan = plans->pdata[k];
    g_autoptr (GArray) order = require_order (plan, diagnosis);

    for (guint i = 0; i < order->len; i++) {
      gsize seen = g_array_index (order, gsize, i);
      gsize expected = g_array_index (plan->order, gsize, i);
      contract_require (seen == expected, "ties-by-position",
                        "element %u of the order is step %zu; step %zu could come next as "
                        "well, and stands before it in the plan",
                        i, seen, expected);
    }
  }
}

START_TEST (order_of_plans_of_all_shapes)
{
  require_order_of_given ("order-missing");
}
END_TEST

START_TEST (order_with_needs_named_twice)
{
  require_order_of_given ("need-counted-twice");
}
END_TEST

START_TEST (order_of_no_steps)
{
  require_order_of_given ("empty-plan");
}
END_TEST

/* ---- Refusals ---- */

static GError *
require_refusal (const Plan *plan, PlanError code, const char *diagnosis)
{
  GError *error = NULL;

  REQUIRE_AN_END ("never-ends");
  GArray *order = plan_order (plan_steps (plan), plan->steps->len, &error);

  contract_require (order == NULL, diagnosis,
                    "plan_order returned an order for a plan that can not be run");
  contract_require (error != NULL, "error-not-set",
                    "plan_order returned NULL, but set no error");
  contract_require (error->domain == PLAN_ERROR && error->code == (int) code, diagnosis,
                    "the error is number %d of %s, expected number %d of plan-error (%s)",
                    error->code, g_quark_to_string (error->domain), (int) code,
                    error->message);
  return error;
}

static void
require_named (const GError *error, const char *name)
{
  contract_require (strstr (error->message, name) != NULL, "error-names-nobody",
                    "the message \"%s\" does not name %s", error->message, name);
}

START_TEST (refuses_an_unknown_need)
{
  const Plan *plan = given_plan ();
  GError *error = require_refusal (plan, PLAN_ERROR_UNKNOWN_NEED, "unknown-need");

  for (gsize i = 0; i < plan->steps->len; i++) {
    const Step *step = &plan_steps (plan)[i];
    for (const char *const *need = step->needs; need && *need; need++)
      if (find_step (plan, *need) < 0) {
        require_named (error, step->name);
        require_named (error, *need);
      }
  }
}
END_TEST

START_TEST (refuses_a_name_twice)
{
  const Plan *plan = given_plan ();
  GError *error = require_refusal (plan, PLAN_ERROR_DUPLICATE_NAME, "duplicate-name");

  for (gssize i = 0; i < (gssize) plan->steps->len; i++)
    if (find_step (plan, plan_steps (plan)[i].name) != i)
      require_named (error, plan_steps (plan)[i].name);
}
END_TEST

START_TEST (refuses_a_step_that_needs_itself)
{
  const Plan *plan = given_plan ();
  GError *error = require_refusal (plan, PLAN_ERROR_SELF_NEED, "self-need");

  for (gsize i = 0; i < plan->steps->len; i++)
    if (step_needs (&plan_steps (plan)[i], plan_steps (plan)[i].name))
      require_named (error, plan_steps (plan)[i].name);
}
END_TEST

/* "a needs b needs c needs a", maybe with words around it. */
static void
require_cycle_in_order (const Plan *plan, const GError *error)
{
  g_auto (GStrv) names = g_strsplit (error->message, " needs ", -1);
  guint n_names = g_strv_length (names);

  contract_require (n_names >= 3, "cycle-not-named",
                    "the message \"%s\" is not of the form \"a needs b needs a\"",
                    error->message);
  char *space = strrchr (names[0], ' ');
  const char *first = space != NULL ? space + 1 : names[0];
  names[n_names - 1][strcspn (names[n_names - 1], " .,;:!")] = '\0';

  for (guint i = 0; i + 1 < n_names; i++) {
    const char *name = i == 0 ? first : names[i];
    gssize step = find_step (plan, name);
    contract_require (step >= 0, "cycle-not-named",
                      "\"%s\" names '%s', which is not a step of the plan",
                      error->message, name);
    contract_require (step_needs (&plan_steps (plan)[step], names[i + 1]),
                      "cycle-not-named", "\"%s\" is not so: %s does not need %s",
                      error->message, name, names[i + 1]);
  }
  contract_require (g_str_equal (first, names[n_names - 1]), "cycle-not-named",
                    "\"%s\" does not come back to where it began", error->message);
  for (guint i = 1; i + 1 < n_names; i++)
    contract_require (!g_str_equal (first, names[i]), "cycle-not-named",
                      "\"%s\" goes round more than once", error->message);
}

START_TEST (refuses_a_cycle)
{
  GPtrArray *plans = given_plans ();

  for (guint k = 0; k < plans->len; k++) {
    const Plan *plan = plans->pdata[k];
    require_cycle_in_order (plan, require_refusal (plan, PLAN_ERROR_CYCLE, "cycle-missed"));
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
  return "wrong-makespan";
}

static void
require_path (const Plan *plan, const GArray *path, guint64 makespan_s)
{
  const Step *steps = plan_steps (plan);
  guint64 sum_s = 0;

  for (guint k = 0; k < path->len; k++) {
    gsize step = g_array_index (path, gsize, k);
    contract_require (step < plan->steps->len, "wrong-path",
                      "element %u of the path is %zu, but the plan has %u steps", k, step,
                      plan->steps->len);
    sum_s += steps[step].seconds;
    if (k == 0)
      continue;
    gsize before = g_array_index (path, gsize, k - 1);
    contract_require (step_needs (&steps[step], steps[before].name),
                      step_needs (&steps[before], steps[step].name) ? "path-reversed"
                                                                    : "wrong-path",
                      "%s comes after %s on the path, but does not need it",
                      steps[step].name, steps[before].name);
  }
  contract_require (sum_s == makespan_s, "wrong-path",
                    "the steps on the path take %" G_GUINT64_FORMAT
                    " s together, but the makespan is %" G_GUINT64_FORMAT " s",
                    sum_s, makespan_s);
}

static void
require_critical_path (const Plan *plan)
{
  GError *error = NULL;
  guint64 makespan_s = G_MAXUINT64;
  const char *missing = plan->steps->len == 0 ? "empty-plan" : "order-missing";

  REQUIRE_AN_END ("never-ends");
  g_autoptr (GArray) path =
      plan_critical_path (plan_steps (plan), plan->steps->len, &makespan_s, &error);
  contract_require (path != NULL, missing,
                    "plan_critical_path returned NULL for a plan of %u steps that can be "
                    "run: %s",
                    plan->steps->len, error != NULL ? error->message : "no error was set");
  contract_require (error == NULL, "error-set-on-success",
                    "plan_critical_path returned a path and an error: %s", error->message);
  contract_require (makespan_s == plan->path_s, diagnose_makespan (plan, makespan_s),
                    "the makespan of a plan of %u steps is %" G_GUINT64_FORMAT
                    " s, expected %" G_GUINT64_FORMAT " s",
                    plan->steps->len, makespan_s, plan->path_s);
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
