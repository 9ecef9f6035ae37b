/* SPDX-License-Identifier: MIT
 *
 * Contract tests of module 0.6: run_tool_async() and call_tools_async() on calls that
 * their author has never seen, with real child processes, on the virtual clock.
 *
 * The plans of each test come from scenarios.py, which also knows when each call must
 * start and end, and what must become of it.  When a call started is seen by the tool
 * itself: tools/sim.c writes it into a journal.  What is printed of it goes through
 * g_print().  The first argument of each failure is the diagnosis that it stands for.
 */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "agent.h"

#include "harness.h"

#include <glib-unix.h>
#include <glib/gstdio.h>

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Timers have whole milliseconds; nothing else takes time on the virtual clock.  But who
 * looks for deadlines in ticks is a little late, and later with each that was waited for;
 * no two events are closer than 30 ms. */
enum { EXACT_MS = 2, LATE_MS = 25 };

/* ---- The plans of the running test: what describe() in scenarios.py wrote ---- */

typedef struct {
  int start_ms; /* -1: never */
  int end_ms;
  ToolStatus status;
  int runs_ms;       /* how long the tool works if nobody stops it */
  gboolean stubborn; /* it ignores SIGTERM */
  const char *text;  /* NULL: any */
} Outcome;

enum { NEVER_MS = -2 };

typedef struct {
  CallLimits limits;
  int cancel_ms;       /* -1: never, though it could; NEVER_MS: nor could it */
  GArray *calls;       /* of ToolCall */
  GArray *expected;    /* of Outcome */
  GPtrArray *mistakes; /* of "<diagnosis> <start_ms of each call>" */
  char *journal;       /* a file to which the tools write when they start */
  char letter;         /* with which the ids of its calls begin */
} Plan;

/* @number: which of the test's plans this is. */
static Plan *
plan_new (const char *limits, guint number)
{
  Plan *plan = g_new0 (Plan, 1);
  char *rest;
  int fd = g_file_open_tmp ("journal-XXXXXX", &plan->journal, NULL);

  g_assert (fd >= 0);
  g_close (fd, NULL);
  plan->limits.max_parallel = (guint) strtoul (limits, &rest, 10);
  plan->limits.timeout_ms = (guint) strtoul (rest, NULL, 10);
  plan->cancel_ms = NEVER_MS;
  plan->letter = (char) ('c' + number);
  plan->calls = g_array_new (FALSE, TRUE, sizeof (ToolCall));
  plan->expected = g_array_new (FALSE, TRUE, sizeof (Outcome));
  plan->mistakes = g_ptr_array_new ();
  return plan;
}

static void
plan_remove_journal (Plan *plan)
{
  g_unlink (plan->journal);
}

static ToolStatus
parse_status (const char *word)
{
  const char *const words[] = { "succeeded", "failed", "timed-out", "cancelled", NULL };
  int status = 0;

  while (strcmp (words[status], word) != 0)
    status++;
  return (ToolStatus) status;
}

#define CALL(plan, i) g_array_index ((plan)->calls, ToolCall, i)
#define EXPECTED(plan, i) g_array_index ((plan)->expected, Outcome, i)

static void
plan_add_call (Plan *plan, const char *name)
{
  char *id = g_strdup_printf ("%c%u", plan->letter, plan->calls->len);
  const ToolCall call = { id, g_strdup (name), NULL };

  g_array_append_val (plan->calls, call);
  g_array_set_size (plan->expected, plan->calls->len);
}

static void
plan_set_outcome (Plan *plan, const char *words)
{
  Outcome *outcome = &EXPECTED (plan, plan->calls->len - 1);
  g_auto (GStrv) word = g_strsplit (words, " ", -1);

  outcome->start_ms = atoi (word[0]);
  outcome->end_ms = atoi (word[1]);
  outcome->status = parse_status (word[2]);
  outcome->runs_ms = atoi (word[3]);
  outcome->stubborn = strcmp (word[4], "stubborn") == 0;
}

/* The path of the journal goes where the arguments have an @. */
static char *
with_journal (const char *arguments, const char *journal)
{
  GString *text = g_string_new (arguments);

  g_string_replace (text, "@", journal, 1);
  return g_string_free (text, FALSE);
}

static void
plan_add_line (Plan *plan, const char *word, const char *rest)
{
  guint last = plan->calls->len - 1;

  if (strcmp (word, "cancel") == 0)
    plan->cancel_ms = atoi (rest);
  else if (strcmp (word, "call") == 0)
    plan_add_call (plan, rest);
  else if (strcmp (word, "arguments") == 0)
    CALL (plan, last).arguments = with_journal (rest, plan->journal);
  else if (strcmp (word, "expect") == 0)
    plan_set_outcome (plan, rest);
  else if (strcmp (word, "text") == 0)
    EXPECTED (plan, last).text = rest;
  else if (strcmp (word, "mistake") == 0)
    g_ptr_array_add (plan->mistakes, (gpointer) rest);
  else
    g_error ("scenarios.py wrote '%s'", word);
}

static GPtrArray *
given_plans (void)
{
  GPtrArray *plans = g_ptr_array_new ();

  for (const char *const *line = contract_given (); *line != NULL; line++) {
    const char *space = strchr (*line, ' ');
    g_autofree char *word = g_strndup (*line, (gsize) (space - *line));

    if (strcmp (word, "plan") == 0)
      g_ptr_array_add (plans, plan_new (space + 1, plans->len));
    else
      plan_add_line (plans->pdata[plans->len - 1], word, space + 1);
  }
  return plans;
}

static GPtrArray *plans; /* NULL: they were not read yet */

static Plan *
given_plan (guint i)
{
  if (plans == NULL)
    plans = given_plans ();
  return i < plans->len ? g_ptr_array_index (plans, i) : NULL;
}

static int
plan_end_ms (const Plan *plan)
{
  int end_ms = 0;

  for (guint i = 0; i < plan->calls->len; i++)
    end_ms = MAX (end_ms, EXPECTED (plan, i).end_ms);
  return end_ms;
}

static gboolean
plan_expects (const Plan *plan, ToolStatus status)
{
  for (guint i = 0; i < plan->calls->len; i++)
    if (EXPECTED (plan, i).status == status)
      return TRUE;
  return FALSE;
}

/* ---- The journal: when the tools started, and whether they have gone ---- */

typedef struct {
  guint tag;
  pid_t pid;
  gint64 start_us;
} Entry;

static GArray *
read_journal (const Plan *plan)
{
  GArray *entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (plan->journal, &text, NULL, NULL))
    return entries;
  lines = g_strsplit (text, "\n", -1);
  for (char **line = lines; *line != NULL && **line != '\0'; line++) {
    char *rest;
    Entry entry;

    entry.tag = (guint) strtoul (*line, &rest, 10);
    entry.pid = (pid_t) strtol (rest, &rest, 10);
    entry.start_us = g_ascii_strtoll (rest, NULL, 10);
    g_array_append_val (entries, entry);
  }
  return entries;
}

/* The tools of @plan whose processes exist, be it as zombies. */
static GArray *
existing_processes (const Plan *plan)
{
  g_autoptr (GArray) entries = read_journal (plan);
  GArray *pids = g_array_new (FALSE, FALSE, sizeof (pid_t));

  for (guint i = 0; i < entries->len; i++) {
    pid_t pid = g_array_index (entries, Entry, i).pid;
    if (kill (pid, 0) == 0)
      g_array_append_val (pids, pid);
  }
  return pids;
}

static gboolean
is_zombie (pid_t pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/stat", (int) pid);
  g_autofree char *stat = NULL;
  const char *after_name;

  if (!g_file_get_contents (path, &stat, NULL, NULL))
    return FALSE;
  after_name = strrchr (stat, ')');
  return after_name != NULL && after_name[2] == 'Z';
}

/* ---- What is printed: print_start() and print_finish() call g_print() ---- */

static GPtrArray *printed; /* lines, in their order */

static void
on_print (const char *text)
{
  g_ptr_array_add (printed, g_strdup (text));
  fputs (text, stdout);
  fflush (stdout);
}

static void
watch_printing (void)
{
  if (printed == NULL)
    printed = g_ptr_array_new_with_free_func (g_free);
  g_set_print_handler (on_print);
}

static gboolean
is_line_of (const char *line, const ToolCall *call)
{
  gsize length = strlen (call->id);

  return line[0] == '[' && strncmp (line + 1, call->id, length) == 0 &&
         g_str_has_prefix (line + 1 + length, "] ");
}

static gboolean
is_start (const char *line)
{
  return g_str_has_suffix (line, " starting...\n");
}

/* How often the start of @call was printed, or else its end. */
static guint
n_printed (const ToolCall *call, gboolean starts)
{
  guint n = 0;

  for (guint i = 0; i < printed->len; i++) {
    const char *line = g_ptr_array_index (printed, i);
    n += is_line_of (line, call) && is_start (line) == starts;
  }
  return n;
}

static guint
n_starts_printed (const Plan *plan)
{
  guint n = 0;

  for (guint i = 0; i < plan->calls->len; i++)
    n += n_printed (&CALL (plan, i), TRUE);
  return n;
}

/* ---- What the callback of one batch saw ---- */

typedef struct {
  Plan *plan;
  GCancellable *cancellable;
  gint64 started_us;
  gboolean alone;     /* one call of run_tool_async(), no batch */
  gboolean in_flight; /* another batch is under way, too */
  gboolean freed;     /* the caller has overwritten and freed the call at once */
  gboolean returned;  /* the function under test has returned */
  gboolean done;
  guint n_first;    /* calls whose start was printed before it returned */
  guint n_calls;    /* of the callback */
  GArray *unburied; /* pids that existed when the callback was called */
  GSourceFunc then; /* what to do in the callback; NULL: nothing */
  gpointer then_data;
} Watch;

static int
since_start_ms (const Watch *watch, gint64 time_us)
{
  return (int) ((time_us - watch->started_us + 500) / 1000);
}

static int
now_ms (const Watch *watch)
{
  return since_start_ms (watch, g_get_monotonic_time ());
}

/* A negative time means never. */
static gboolean
is_near (int seen_ms, int expected_ms)
{
  return (seen_ms < 0) == (expected_ms < 0) && seen_ms >= expected_ms - EXACT_MS &&
         seen_ms <= expected_ms + LATE_MS;
}

/* How long a call took that started a little late, and was cancelled on time. */
static gboolean
is_as_long (int took_ms, int expected_ms)
{
  return ABS (took_ms - expected_ms) <= LATE_MS;
}

/* ---- Plain calls, after a test has failed: what goes wrong there, too, is not due to
 * what was special about the test ---- */

/* Of the last batch that was forgotten. */
static gboolean has_returned = TRUE; /* from call_tools_async() */
static gboolean all_succeeded;

static void
on_forget (GObject *source, GAsyncResult *result, gpointer user_data)
{
  contract_require (has_returned, "empty-gather", /* Others are looked at elsewhere. */
                    "the callback was called before call_tools_async had returned");
  GPtrArray *results = call_tools_finish (result, NULL);

  all_succeeded = results != NULL;
  for (guint i = 0; results != NULL && i < results->len; i++) {
    const ToolResult *one = g_ptr_array_index (results, i);
    all_succeeded = all_succeeded && one != NULL && one->status == TOOL_SUCCEEDED;
  }
  if (results != NULL)
    g_ptr_array_unref (results);
  *(gboolean *) user_data = TRUE;
}

/* How long a batch may be late: long enough to see a time limit in the wrong unit, and
 * the end of a tool that hangs. */
enum { PATIENCE_S = 6000 };

/* Whether the callback comes at least for some plain calls. */
static gboolean
completes_plain_calls (void)
{
  const ToolCall calls[] = { { "plain1", "sim", "{\"do\": \"answer\"}" },
                             { "plain2", "sim", "{\"do\": \"answer\"}" },
                             { "plain3", "sim", "{\"do\": \"answer\"}" } };
  const CallLimits limits = { 2, 0 };
  gboolean done = FALSE;

  call_tools_async (calls, G_N_ELEMENTS (calls), &limits, NULL, on_forget, &done);
  return contract_run_until (&done, PATIENCE_S);
}

/* Whether calls of which none fails succeed. */
static gboolean
plain_calls_succeed (void)
{
  return completes_plain_calls () && all_succeeded;
}

/* How many of the plain calls start at once: there is room for two. */
static guint
n_plain_starts (void)
{
  guint n_before = printed->len;
  guint n_starts = 0;

  completes_plain_calls ();
  for (guint i = n_before; i < printed->len && is_start (printed->pdata[i]); i++)
    n_starts++;
  return n_starts;
}

/* Whether more starts are printed than calls start. */
static gboolean
prints_too_many_starts (void)
{
  const ToolCall call = { "plain1", "sim", NULL };

  return n_plain_starts () > 2 || n_printed (&call, TRUE) > 1;
}

/* ---- Starts: seen by the tools ---- */

/* Whether call @i will write into the journal as it starts. */
static gboolean
writes_journal (const Plan *plan, guint i)
{
  return strstr (CALL (plan, i).arguments, "\"journal\"") != NULL;
}

/* When each call started; -1: never.  Those that write no journal are taken to have
 * started when they should. */
static int *
observed_starts (const Watch *watch)
{
  const Plan *plan = watch->plan;
  g_autoptr (GArray) entries = read_journal (plan);
  int *starts = g_new (int, plan->calls->len + 1);

  for (guint i = 0; i < plan->calls->len; i++)
    starts[i] = writes_journal (plan, i) ? -1 : EXPECTED (plan, i).start_ms;
  for (guint i = 0; i < entries->len; i++) {
    const Entry *entry = &g_array_index (entries, Entry, i);
    if (entry->tag < plan->calls->len)
      starts[entry->tag] = since_start_ms (watch, entry->start_us);
  }
  return starts;
}

/* @mistake: "<diagnosis> <start_ms> ...", when they would start if that were the cause.
 */
static gboolean
explains (const char *mistake, const int *starts, guint n_starts)
{
  const char *rest = strchr (mistake, ' ');

  for (guint i = 0; i < n_starts; i++) {
    char *end;
    if (!is_near (starts[i], (int) strtol (rest, &end, 10)))
      return FALSE;
    rest = end;
  }
  return TRUE;
}

/* Whether one after another is how the program takes a limit of 0, and no other. */
static gboolean
is_one_for_none (const Plan *plan, const char *diagnosis)
{
  return strcmp (diagnosis, "sequential") == 0 && plan->limits.max_parallel == 0 &&
         n_plain_starts () > 1;
}

/* Fails if a well-known mistake explains when the calls started. */
static void
require_no_known_mistake (const Watch *watch)
{
  const Plan *plan = watch->plan;
  g_autofree int *starts = observed_starts (watch);

  for (guint i = 0; i < plan->mistakes->len; i++) {
    const char *mistake = g_ptr_array_index (plan->mistakes, i);
    g_autofree char *diagnosis = g_strndup (mistake, strcspn (mistake, " "));

    for (guint call = 0; call < plan->calls->len; call++)
      if (explains (mistake, starts, plan->calls->len) &&
          !is_near (starts[call], EXPECTED (plan, call).start_ms))
        contract_fail (is_one_for_none (plan, diagnosis) ? "zero-is-no-limit" : diagnosis,
                       "with max_parallel %u, call %u started at %d ms, expected %d ms",
                       plan->limits.max_parallel, call, starts[call],
                       EXPECTED (plan, call).start_ms);
  }
}

static void
require_no_second_run (const Watch *watch)
{
  const Plan *plan = watch->plan;
  g_autoptr (GArray) entries = read_journal (plan);
  g_autofree guint *n_runs = g_new0 (guint, plan->calls->len + 1);

  for (guint i = 0; i < entries->len; i++) {
    guint tag = g_array_index (entries, Entry, i).tag;
    contract_require (tag >= plan->calls->len || n_runs[tag]++ == 0, "run-twice",
                      "the tool of call %u was started a second time", tag);
  }
}

/* Which call of @plan the line is the start of; -1: none. */
static int
find_started (const Plan *plan, const char *line)
{
  for (guint i = 0; i < plan->calls->len; i++)
    if (is_start (line) && is_line_of (line, &CALL (plan, i)))
      return (int) i;
  return -1;
}

/* Only the first start of each call counts here. */
static void
require_order_of_starts (const Watch *watch)
{
  g_autofree gboolean *started = g_new0 (gboolean, watch->plan->calls->len + 1);
  int latest = -1;

  for (guint i = 0; i < printed->len; i++) {
    int call = find_started (watch->plan, g_ptr_array_index (printed, i));
    if (call >= 0 && !started[call]) {
      contract_require (call > latest, "start-order", "call %d was started after call %d",
                        call, latest);
      started[call] = TRUE;
      latest = call;
    }
  }
}

/* The id for a call that was started at @start_ms, when there was no room for it yet. */
static const char *
diagnose_early_start (const Plan *plan, int start_ms)
{
  for (guint i = 0; i < plan->calls->len; i++)
    if (EXPECTED (plan, i).status == TOOL_TIMED_OUT &&
        EXPECTED (plan, i).end_ms <= start_ms + EXACT_MS)
      return "counted-twice"; /* It has given back more places than it had. */
  return "limit-ignored";
}

static void
require_starts (const Watch *watch)
{
  const Plan *plan = watch->plan;
  g_autofree int *starts = observed_starts (watch);

  for (guint i = 0; i < plan->calls->len; i++) {
    int expected_ms = EXPECTED (plan, i).start_ms;

    contract_require (
        expected_ms >= 0 || starts[i] < 0, "starts-after-cancel",
        "call %u was started at %d ms, after the caller had cancelled at %d ms", i,
        starts[i], plan->cancel_ms);
    contract_require (expected_ms < 0 || starts[i] >= 0, "wrong-elapsed",
                      "call %u was never started; it was due at %d ms", i, expected_ms);
    contract_require (starts[i] >= expected_ms - EXACT_MS,
                      diagnose_early_start (plan, starts[i]),
                      "call %u was started at %d ms, but there was no room for it before "
                      "%d ms",
                      i, starts[i], expected_ms);
    contract_require (is_near (starts[i], expected_ms), "wrong-elapsed",
                      "call %u was started at %d ms, expected %d ms", i, starts[i],
                      expected_ms);
  }
}

/* ---- Results ---- */

static const char *const STATUS[] = { "succeeded", "failed", "timed out", "cancelled" };

static gboolean
is_expected (const Outcome *expected, const ToolResult *result)
{
  return result != NULL && result->status == expected->status &&
         (expected->text == NULL || g_strcmp0 (result->text, expected->text) == 0);
}

static gboolean
has_gaps (GPtrArray *results)
{
  return g_ptr_array_find (results, NULL, NULL);
}

/* Whether all results are there, each once, but not where they belong. */
static gboolean
are_shuffled (const Plan *plan, GPtrArray *results)
{
  g_autoptr (GPtrArray) left = g_ptr_array_copy (results, NULL, NULL);

  g_ptr_array_set_free_func (left, NULL);
  for (guint i = 0; i < plan->calls->len; i++) {
    guint found = 0;
    while (found < left->len &&
           !is_expected (&EXPECTED (plan, i), g_ptr_array_index (left, found)))
      found++;
    if (found == left->len)
      return FALSE;
    g_ptr_array_remove_index (left, found);
  }
  return TRUE;
}

/* Whether several calls have one and the same result, though they should not. */
static gboolean
are_all_the_same (const Plan *plan, GPtrArray *results)
{
  const ToolResult *first = results->len > 1 ? results->pdata[0] : NULL;
  gboolean differ = FALSE;

  if (first != NULL && first->status != TOOL_SUCCEEDED)
    return FALSE; /* Whatever ended them makes them alike. */

  for (guint i = 1; first != NULL && i < results->len; i++) {
    const ToolResult *result = g_ptr_array_index (results, i);
    if (result == NULL || result->status != first->status ||
        g_strcmp0 (result->text, first->text) != 0)
      return FALSE;
    differ = differ || EXPECTED (plan, i).status != EXPECTED (plan, 0).status ||
             g_strcmp0 (EXPECTED (plan, i).text, EXPECTED (plan, 0).text) != 0;
  }
  return differ;
}

/* Whether call @i timed out although there is no limit; not because its tool was done,
 * or the caller had cancelled, and it got the wrong name for that. */
static gboolean
timed_out_without_limit (const Plan *plan, guint i, const ToolResult *seen)
{
  const Outcome *expected = &EXPECTED (plan, i);
  int end_ms = expected->start_ms + (int) seen->took_ms;

  return seen->status == TOOL_TIMED_OUT && plan->limits.timeout_ms == 0 &&
         (plan->cancel_ms < 0 || end_ms < plan->cancel_ms - EXACT_MS) &&
         (expected->runs_ms == 0 || (int) seen->took_ms < expected->runs_ms - EXACT_MS);
}

/* In main, a call may take so long; here, never. */
enum { TIMEOUT_OF_MAIN_MS = 2100 };

static gboolean
is_limit_of_main (int took_ms)
{
  return is_as_long (took_ms, TIMEOUT_OF_MAIN_MS);
}

static gboolean
does (const Plan *plan, guint i, const char *deed)
{
  g_autofree char *word = g_strdup_printf ("\"do\": \"%s\"", deed);

  return strstr (CALL (plan, i).arguments, word) != NULL;
}

/* Whether @text is what another call than @i must have given, or speaks of its tool. */
static gboolean
belongs_to_another (const Plan *plan, guint i, const char *text)
{
  const char *name = CALL (plan, i).name;

  for (guint other = 0; other < plan->calls->len; other++) {
    const char *others_name = CALL (plan, other).name;

    if (other != i && g_strcmp0 (text, EXPECTED (plan, other).text) == 0)
      return TRUE;
    if (strcmp (others_name, name) != 0 && strstr (text, others_name) != NULL)
      return TRUE;
  }
  return FALSE;
}

/* Whether @text is the reason why there is no program for call @i. */
static gboolean
is_why_not (const Plan *plan, guint i, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *program = find_tool (&CALL (plan, i), &error);

  return error != NULL && strcmp (text, error->message) == 0;
}

/* Whether call @i takes the place of one that timed out. */
static gboolean
follows_a_time_out (const Plan *plan, guint i)
{
  for (guint other = 0; other < plan->calls->len; other++)
    if (EXPECTED (plan, other).status == TOOL_TIMED_OUT &&
        EXPECTED (plan, other).end_ms == EXPECTED (plan, i).start_ms)
      return TRUE;
  return FALSE;
}

/* The id for call @i, which timed out although it had time to succeed. */
static const char *
diagnose_time_out (const Plan *plan, guint i, const ToolResult *seen)
{
  const Outcome *expected = &EXPECTED (plan, i);
  int timeout_ms = (int) plan->limits.timeout_ms;
  int end_ms = expected->start_ms + (int) seen->took_ms;

  if (follows_a_time_out (plan, i) && is_near (end_ms, expected->end_ms))
    return "shared-state"; /* It has left something behind in its place. */
  for (guint other = 0; other < plan->calls->len; other++)
    if (EXPECTED (plan, other).status == TOOL_TIMED_OUT &&
        !is_near (end_ms, timeout_ms) && is_near (end_ms, EXPECTED (plan, other).end_ms))
      return "one-failure-sinks-all";
  if (expected->start_ms > 0)
    return "timed-out-in-the-queue";
  return is_as_long ((int) seen->took_ms, timeout_ms) ? "shared-state" : "wrong-unit";
}

/* Whether the tool of call @i was started. */
static gboolean
has_run (const Plan *plan, guint i)
{
  g_autoptr (GArray) entries = read_journal (plan);

  for (guint k = 0; k < entries->len; k++)
    if (g_array_index (entries, Entry, k).tag == i)
      return TRUE;
  return FALSE;
}

/* The id for call @i, which ended as @seen. */
static const char *
diagnose_status (const Plan *plan, guint i, const ToolResult *seen)
{
  const Outcome *expected = &EXPECTED (plan, i);

  if (seen->status == TOOL_TIMED_OUT && is_limit_of_main ((int) seen->took_ms))
    return "hard-coded";
  if (timed_out_without_limit (plan, i, seen))
    return "zero-is-no-timeout";
  if (belongs_to_another (plan, i, seen->text))
    return "shared-state";
  if (does (plan, i, "grumble") && seen->status == TOOL_FAILED)
    return "stderr-in-the-answer";
  if (does (plan, i, "lines") && seen->status == TOOL_FAILED)
    return "answer-not-read";
  if (seen->status == TOOL_SUCCEEDED && is_why_not (plan, i, seen->text))
    return "failure-not-seen";
  if (seen->status == TOOL_SUCCEEDED && !writes_journal (plan, i))
    return "nonsense-accepted";
  if (expected->status == TOOL_CANCELLED && expected->start_ms < 0 && has_run (plan, i))
    return "starts-after-cancel";
  if (seen->status == TOOL_SUCCEEDED)
    return expected->status == TOOL_FAILED      ? "failure-not-seen"
           : expected->status == TOOL_TIMED_OUT ? "no-timeout"
                                                : "cancel-ignored";
  if (seen->status == TOOL_TIMED_OUT && expected->status == TOOL_SUCCEEDED)
    return diagnose_time_out (plan, i, seen);
  if (expected->status == TOOL_SUCCEEDED && plan->cancel_ms < 0 &&
      plain_calls_succeed () &&
      (plan_expects (plan, TOOL_FAILED) || plan_expects (plan, TOOL_TIMED_OUT)))
    return "one-failure-sinks-all";
  return "wrong-status";
}

/* The tool sim writes its journal as soon as it has read all its arguments. */
static void
require_arguments (const Watch *watch)
{
  g_autofree int *starts = observed_starts (watch);

  for (guint i = 0; i < watch->plan->calls->len; i++)
    contract_require (
        starts[i] >= 0 || EXPECTED (watch->plan, i).start_ms < 0,
        watch->freed ? "dangling-user-data" : "arguments-not-passed",
        watch->freed
            ? "the tool of call %u did not get its arguments, but what stood there "
              "later: the caller had overwritten and freed them"
            : "the tool of call %u never got its arguments, or never their end",
        i);
}

static void
require_ending (const Plan *plan, guint i, const ToolResult *result)
{
  const Outcome *expected = &EXPECTED (plan, i);

  contract_require (result->status == expected->status || writes_journal (plan, i),
                    diagnose_status (plan, i, result),
                    "call %u, of '%s' with the arguments '%.60s', %s (%s), expected: %s",
                    i, CALL (plan, i).name, CALL (plan, i).arguments,
                    STATUS[result->status], result->text, STATUS[expected->status]);
  contract_require (result->status == expected->status, diagnose_status (plan, i, result),
                    "call %u %s (%s), expected: %s", i, STATUS[result->status],
                    result->text, STATUS[expected->status]);
  contract_require (is_expected (expected, result) ||
                        strstr (result->text, expected->text) == NULL,
                    "raw-answer", "the answer of call %u is '%.40s', expected '%s'", i,
                    result->text, expected->text);
  gboolean has_its_reason =
      expected->status != TOOL_FAILED || belongs_to_another (plan, i, result->text);
  contract_require (
      is_expected (expected, result), has_its_reason ? "shared-state" : "output-differs",
      "the answer of call %u is '%.40s', expected '%s'", i, result->text, expected->text);
}

/* Of the results that are there. */
static void
require_endings (const Plan *plan, GPtrArray *results)
{
  for (guint i = 0; i < results->len; i++) {
    const ToolResult *result = g_ptr_array_index (results, i);

    if (result == NULL || is_expected (&EXPECTED (plan, i), result))
      continue;
    contract_require (has_gaps (results) || !are_shuffled (plan, results),
                      "completion-order", "the result of call %u is not in its place", i);
    contract_require (!are_all_the_same (plan, results), "shared-state",
                      "all calls have the same result: '%.40s'", result->text);
    require_ending (plan, i, result);
  }
}

static int
expected_took_ms (const Outcome *expected)
{
  return expected->start_ms < 0 ? 0 : expected->end_ms - expected->start_ms;
}

/* Whether call @i was given up in words, but its tool worked to its own end. */
static gboolean
was_not_killed (const Plan *plan, guint i, const ToolResult *result)
{
  const Outcome *expected = &EXPECTED (plan, i);

  return result != NULL && result->status == expected->status &&
         (result->status == TOOL_TIMED_OUT || result->status == TOOL_CANCELLED) &&
         expected->start_ms >= 0 &&
         !is_as_long ((int) result->took_ms, expected_took_ms (expected)) &&
         is_as_long ((int) result->took_ms, expected->runs_ms);
}

/* A tool that ends only by itself has not been told to; where those that listen to
 * SIGTERM end in time, it has been asked, but not killed. */
static void
require_all_killed (const Plan *plan, GPtrArray *results)
{
  const char *diagnosis = "process-left";

  for (guint i = 0; i < results->len; i++)
    if (was_not_killed (plan, i, results->pdata[i]) && !EXPECTED (plan, i).stubborn)
      diagnosis =
          EXPECTED (plan, i).status == TOOL_CANCELLED ? "cancel-ignored" : "no-timeout";
  for (guint i = 0; i < results->len; i++)
    contract_require (
        !was_not_killed (plan, i, results->pdata[i]), diagnosis,
        "call %u %s, but its tool was not killed: it ran until it was done, "
        "after %d ms instead of %d ms",
        i, STATUS[EXPECTED (plan, i).status], EXPECTED (plan, i).runs_ms,
        expected_took_ms (&EXPECTED (plan, i)));
}

static gboolean
ended_as_expected (const Plan *plan, guint i, const ToolResult *result)
{
  const Outcome *expected = &EXPECTED (plan, i);

  return is_expected (expected, result) &&
         is_as_long ((int) result->took_ms, expected_took_ms (expected));
}

/* Whether all calls that must end before call @i can start have ended as they must. */
static gboolean
had_room (const Plan *plan, guint i, GPtrArray *results)
{
  for (guint other = 0; other < results->len; other++)
    if (EXPECTED (plan, other).end_ms <= EXPECTED (plan, i).start_ms &&
        !ended_as_expected (plan, other, results->pdata[other]))
      return FALSE;
  return TRUE;
}

/* Whether there is no limit, and yet the first call starts, and others wait. */
static gboolean
has_a_limit_of_its_own (const Plan *plan, const int *starts)
{
  return plan->limits.max_parallel == 0 && is_near (starts[0], 0) &&
         n_plain_starts () > 1;
}

/* What follows from a late start, such as a call that is cancelled and not done, is not
 * to be blamed on something else. */
static void
require_no_idle_room (const Watch *watch, GPtrArray *results)
{
  const Plan *plan = watch->plan;
  g_autofree int *starts = observed_starts (watch);

  for (guint i = 0; i < results->len; i++) {
    int expected_ms = EXPECTED (plan, i).start_ms;

    contract_require (expected_ms < 0 || starts[i] <= expected_ms + LATE_MS ||
                          !had_room (plan, i, results),
                      has_a_limit_of_its_own (plan, starts) ? "zero-is-no-limit"
                                                            : "wrong-elapsed",
                      "call %u was started at %d ms, but there was room for it at %d ms",
                      i, starts[i], expected_ms);
  }
}

/* ---- Cancelled calls ---- */

/* Of a call that was cancelled: no start if it had none, and one end like any other. */
static void
require_cancelled_lines (const Watch *watch)
{
  const Plan *plan = watch->plan;

  for (guint i = 0; i < plan->calls->len; i++) {
    const ToolCall *call = &CALL (plan, i);

    if (EXPECTED (plan, i).status != TOOL_CANCELLED)
      continue;
    contract_require (EXPECTED (plan, i).start_ms >= 0 || n_printed (call, TRUE) == 0,
                      prints_too_many_starts () ? "output-differs"
                                                : "starts-after-cancel",
                      "'[%s] %s starting...' was printed, but the caller had cancelled "
                      "before at %d ms",
                      call->id, call->name, plan->cancel_ms);
    contract_require (watch->alone || n_printed (call, FALSE) == 1, "output-differs",
                      "the end of call %u, which was cancelled, was printed %u times, "
                      "expected once",
                      i, n_printed (call, FALSE));
  }
}

static void
require_duration (const Plan *plan, guint i, const ToolResult *result)
{
  const Outcome *expected = &EXPECTED (plan, i);
  int took_ms = expected_took_ms (expected);

  contract_require (expected->start_ms >= 0 || result->took_ms == 0, "wrong-duration",
                    "call %u never started, but took %u ms, expected 0 ms", i,
                    result->took_ms);
  contract_require (is_as_long ((int) result->took_ms, took_ms), "wrong-duration",
                    "call %u took %u ms, expected %d ms", i, result->took_ms, took_ms);
}

/* The recorded reply of main has so many calls, and the other tests have no more than
 * twice as many. */
enum { N_RECORDED = 7, MOST_USUAL = 2 * N_RECORDED };

/* Results that are missing behind so many that are there have found a table full. */
static void
require_no_gaps (GPtrArray *results)
{
  guint first = 0;

  if (!g_ptr_array_find (results, NULL, &first))
    return;
  contract_fail (first > N_RECORDED ? "hard-coded" : "result-missing",
                 "call %u of %u has no result", first, results->len);
}

static void
require_as_many_as_calls (const Watch *watch, GPtrArray *results)
{
  guint n_calls = watch->plan->calls->len;

  contract_require (results->len == n_calls,
                    results->len == N_RECORDED ? "hard-coded" : "result-missing",
                    "there are %u results for %u calls", results->len, n_calls);
}

/* ---- The callback: once, from the loop, when it is due, and nothing left running ----
 */

static void
require_once_from_the_loop (Watch *watch)
{
  watch->n_calls++;
  contract_require (watch->n_calls == 1, "done-twice",
                    "the callback was called %u times, not once", watch->n_calls);
  contract_require (watch->returned, "done-too-early",
                    "the callback was called before the function that was given it had "
                    "returned");
  watch->unburied = existing_processes (watch->plan);
  watch->done = TRUE;
}

/* Whether a call that must time out has done so by now. */
static gboolean
has_timed_out (const Watch *watch)
{
  const Plan *plan = watch->plan;

  for (guint i = 0; i < plan->calls->len; i++)
    if (EXPECTED (plan, i).status == TOOL_TIMED_OUT &&
        EXPECTED (plan, i).end_ms <= now_ms (watch) + EXACT_MS)
      return TRUE;
  return FALSE;
}

/* Whether one call has ended by now, and it is not the last one that ends first. */
static gboolean
is_first_end (const Watch *watch)
{
  const Plan *plan = watch->plan;
  guint n_over = 0;

  if (plan->calls->len == 0 ||
      EXPECTED (plan, plan->calls->len - 1).end_ms <= now_ms (watch) + EXACT_MS)
    return FALSE;
  for (guint i = 0; i < plan->calls->len; i++)
    n_over += EXPECTED (plan, i).end_ms <= now_ms (watch) + EXACT_MS;
  return n_over == 1;
}

/* Whether the calls are over, though too early: then the report came when it was due. */
static gboolean
is_all_over (const Watch *watch, GPtrArray *results)
{
  g_autofree int *starts = observed_starts (watch);

  for (guint i = 0; i < results->len; i++) {
    const ToolResult *result = g_ptr_array_index (results, i);
    int took_ms = result != NULL ? (int) result->took_ms : 0;

    if (result == NULL || (took_ms == 0 && expected_took_ms (&EXPECTED (watch->plan, i))))
      return FALSE;
    if (starts[i] >= 0 && starts[i] + took_ms > now_ms (watch) + EXACT_MS)
      return FALSE;
  }
  return TRUE;
}

/* Whether no call starts because there is no limit: where there is one, some do. */
static gboolean
takes_zero_for_a_limit (const Plan *plan)
{
  return plan->limits.max_parallel == 0 && plan->calls->len > 0 &&
         n_printed (&CALL (plan, 0), TRUE) == 0 && n_plain_starts () > 0;
}

/* A call that has its answer, but whose start alone was not printed; -1: none. */
static int
find_skipped (const Plan *plan, GPtrArray *results)
{
  if (n_starts_printed (plan) == 0)
    return -1;
  for (guint i = 0; i < results->len; i++)
    if (EXPECTED (plan, i).start_ms >= 0 && n_printed (&CALL (plan, i), TRUE) == 0 &&
        is_expected (&EXPECTED (plan, i), results->pdata[i]))
      return (int) i;
  return -1;
}

static void
require_not_early (const Watch *watch, GPtrArray *results)
{
  const Plan *plan = watch->plan;
  gboolean early = now_ms (watch) < plan_end_ms (plan) - EXACT_MS;
  int skipped = early ? find_skipped (plan, results) : -1;
  const char *diagnosis = watch->in_flight                ? "done-too-early"
                          : takes_zero_for_a_limit (plan) ? "zero-is-no-limit"
                          : plan->calls->len > MOST_USUAL ? "hard-coded"
                          : has_timed_out (watch)         ? "counted-twice"
                          : is_first_end (watch)          ? "quits-on-first"
                                                          : "done-too-early";

  contract_require (
      skipped < 0, "output-differs",
      "all was over after %d ms instead of %d ms: call %d has an answer, but "
      "its start was never printed; has its tool run?",
      now_ms (watch), plan_end_ms (plan), skipped);
  contract_require (!early || is_all_over (watch, results), diagnosis,
                    "the callback was called after %d ms, but the last call ends after "
                    "%d ms",
                    now_ms (watch), plan_end_ms (plan));
}

static void
require_results_at_all (const Plan *plan, GPtrArray *results, const GError *error)
{
  const char *diagnosis = plan->calls->len == 0              ? "empty-gather"
                          : plan->cancel_ms >= 0             ? "cancel-loses-results"
                          : plan_expects (plan, TOOL_FAILED) ? "one-failure-sinks-all"
                                                             : "result-missing";

  contract_require (results != NULL, diagnosis, "call_tools_finish() gave no results: %s",
                    error != NULL ? error->message : "and no error");
  contract_require (error == NULL, diagnosis,
                    "call_tools_finish() has set its error (%s), and given results, too",
                    error->message);
}

/* It is the caller's alone. */
static void
require_cancelled_by_nobody (const Watch *watch)
{
  contract_require (watch->plan->cancel_ms >= 0 || watch->cancellable == NULL ||
                        !g_cancellable_is_cancelled (watch->cancellable),
                    "one-failure-sinks-all",
                    "the GCancellable of the caller has been cancelled, and not by the "
                    "caller");
}

static void
require_times (const Watch *watch, GPtrArray *results)
{
  for (guint i = 0; i < results->len; i++)
    require_duration (watch->plan, i, g_ptr_array_index (results, i));
  contract_require (is_near (now_ms (watch), plan_end_ms (watch->plan)), "wrong-elapsed",
                    "the callback was called after %d ms, expected %d ms", now_ms (watch),
                    plan_end_ms (watch->plan));
}

static void
on_batch_over (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Watch *watch = user_data;
  GError *error = NULL;
  GPtrArray *results;

  require_once_from_the_loop (watch);
  results = call_tools_finish (result, &error);
  require_results_at_all (watch->plan, results, error);
  require_cancelled_by_nobody (watch);
  require_as_many_as_calls (watch, results);
  require_no_second_run (watch);
  require_order_of_starts (watch);
  require_no_known_mistake (watch);
  require_all_killed (watch->plan, results);
  require_no_idle_room (watch, results);
  require_endings (watch->plan, results);
  require_not_early (watch, results);
  require_no_gaps (results);
  require_starts (watch);
  if (watch->unburied->len == 0) { /* Else it is too early: require_processes_gone() */
    require_cancelled_lines (watch);
    require_times (watch, results);
  }
  g_ptr_array_unref (results);
  if (watch->then != NULL)
    watch->then (watch->then_data);
}

/* Whether the tool that ignores SIGTERM was given time to listen to it. */
static gboolean
is_killed_late (const Watch *watch)
{
  const Outcome *expected = &EXPECTED (watch->plan, 0);

  return expected->stubborn && expected->end_ms < expected->runs_ms &&
         now_ms (watch) > expected->end_ms + LATE_MS;
}

/* Whether a time limit was kept, if there is one. */
static void
require_right_limit (const Watch *watch, const ToolResult *outcome)
{
  const Plan *plan = watch->plan;

  gboolean of_main = is_limit_of_main (now_ms (watch));

  contract_require (!is_killed_late (watch), "process-left",
                    "a tool that ignores SIGTERM was killed after %d ms, expected: after "
                    "%d ms, without asking it first",
                    now_ms (watch), EXPECTED (plan, 0).end_ms);
  contract_require (!timed_out_without_limit (plan, 0, outcome),
                    of_main ? "hard-coded" : "zero-is-no-timeout",
                    "with timeout_ms 0, the call timed out after %d ms", now_ms (watch));
  contract_require (outcome->status != TOOL_TIMED_OUT || plan->limits.timeout_ms == 0 ||
                        is_near (now_ms (watch), plan->cancel_ms) ||
                        is_near (now_ms (watch), (int) plan->limits.timeout_ms),
                    of_main ? "hard-coded" : "wrong-unit",
                    "a time limit of %u ms was over after %d ms", plan->limits.timeout_ms,
                    now_ms (watch));
}

static void
on_tool_over (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Watch *watch = user_data;
  g_autoptr (GPtrArray) results = g_ptr_array_new_with_free_func (tool_result_free);
  GError *error = NULL;
  char *output;
  ToolResult *outcome;

  require_once_from_the_loop (watch);
  output = run_tool_finish (result, &error);
  contract_require ((output == NULL) != (error == NULL), "result-missing",
                    "run_tool_finish() must give either an output or an error");
  outcome = tool_result_new (output, error, (guint) now_ms (watch));
  g_ptr_array_add (results, outcome);
  require_no_second_run (watch);
  require_all_killed (watch->plan, results);
  require_right_limit (watch, outcome);
  require_arguments (watch);
  require_ending (watch->plan, 0, outcome);
  contract_require (
      EXPECTED (watch->plan, 0).start_ms < 0 ||
          n_printed (&CALL (watch->plan, 0), TRUE) == 1,
      "output-differs",
      "run_tool_async printed the start of its call %u times, expected once",
      n_printed (&CALL (watch->plan, 0), TRUE));
  require_cancelled_lines (watch);
  if (watch->unburied->len == 0)
    require_duration (watch->plan, 0, outcome);
}

static gboolean
has_started_nothing (const Watch *watch)
{
  g_autoptr (GArray) entries = read_journal (watch->plan);

  return entries->len == 0;
}

/* The id for a callback of one call that never comes. */
static const char *
diagnose_silence_of_tool (const Watch *watch)
{
  const Plan *plan = watch->plan;

  if (plan_expects (plan, TOOL_CANCELLED))
    return "cancel-never-completes";
  if (plan_expects (plan, TOOL_TIMED_OUT))
    return "no-timeout";
  if (writes_journal (plan, 0) && has_started_nothing (watch))
    return "arguments-not-passed";
  return does (plan, 0, "huge") ? "answer-not-read" : "never-quits";
}

/* The same for a batch.  What never comes for plain calls says nothing about special
 * ones. */
static const char *
diagnose_silence_of_batch (const Watch *watch)
{
  const Plan *plan = watch->plan;
  gboolean nothing = has_started_nothing (watch);

  if (!completes_plain_calls ())
    return "never-quits";
  if (plan->calls->len == 0)
    return "empty-gather";
  if (plan_expects (plan, TOOL_CANCELLED))
    return "cancel-never-completes";
  if (plan_expects (plan, TOOL_TIMED_OUT))
    return "no-timeout";
  if (watch->in_flight)
    return "shared-state";
  if (nothing && writes_journal (plan, 0))
    return plan->limits.max_parallel == 0 ? "zero-is-no-limit" : "limit-off-by-one";
  return "never-quits";
}

static void
require_callback (const Watch *watch)
{
  if (watch->done)
    return;
  contract_fail (watch->alone ? diagnose_silence_of_tool (watch)
                              : diagnose_silence_of_batch (watch),
                 "the callback was not called within an hour and a half of when it was "
                 "due, after %d ms%s",
                 plan_end_ms (watch->plan),
                 watch->alone && does (watch->plan, 0, "huge")
                     ? ": the tool writes 300 kB, more than a pipe holds, and goes on "
                       "only when somebody reads"
                     : "");
}

/* At the callback, all processes must be gone; those that were not yet are looked at
 * again now that the loop has waited, which tells the dying from the living. */
static void
require_processes_gone (const Watch *watch)
{
  for (guint i = 0; i < watch->unburied->len; i++) {
    pid_t pid = g_array_index (watch->unburied, pid_t, i);

    contract_require (kill (pid, 0) != 0 || is_zombie (pid), "process-left",
                      "a tool still runs 2 s after the callback: its process %d was not "
                      "killed",
                      (int) pid);
  }
  contract_require (
      watch->unburied->len == 0, "zombie-left",
      "the callback was called while %u of the processes had not been reaped",
      watch->unburied->len);
}

/* The caller's own references to its GCancellable: so many that it lives on even if
 * somebody gives back what is not his. */
enum { N_REFERENCES = 100 };

static GCancellable *
new_cancellable (void)
{
  GCancellable *cancellable = g_cancellable_new ();

  for (guint i = 1; i < N_REFERENCES; i++)
    g_object_ref (cancellable);
  return cancellable;
}

static void
require_all_references (const Watch *watch)
{
  guint n_left = watch->cancellable != NULL ? G_OBJECT (watch->cancellable)->ref_count
                                            : N_REFERENCES;

  contract_require (n_left >= N_REFERENCES, "double-free",
                    "the GCancellable that the caller had passed has lost %u of the "
                    "caller's own references (g_object_unref)",
                    N_REFERENCES - n_left);
}

/* Wait for the callback, and long enough after it to see a second one. */
static void
require_report (const Watch *watch)
{
  contract_run_until (&watch->done, plan_end_ms (watch->plan) / 1000.0 + PATIENCE_S);
  require_callback (watch);
  contract_run_for (2);
  require_processes_gone (watch);
  require_all_references (watch);
  plan_remove_journal (watch->plan);
}

/* ---- One call of a function under test, watched ---- */

static void
on_cancel_hangs (int signal_number)
{
  contract_fail ("cancel-never-completes",
                 "g_cancellable_cancel() never returned to the caller: a handler that it "
                 "called waits for its own end");
}

static gboolean
on_cancel_time (gpointer user_data)
{
  signal (SIGALRM, on_cancel_hangs);
  alarm (10);
  g_cancellable_cancel (user_data);
  alarm (0);
  return G_SOURCE_REMOVE;
}

static void
watch_begin (Watch *watch, Plan *plan)
{
  watch->plan = plan;
  watch->started_us = g_get_monotonic_time ();
  watch_printing ();
  if (plan->cancel_ms != NEVER_MS)
    watch->cancellable = new_cancellable ();
  if (plan->cancel_ms == 0)
    g_cancellable_cancel (watch->cancellable);
  else if (plan->cancel_ms > 0)
    g_timeout_add ((guint) plan->cancel_ms, on_cancel_time, watch->cancellable);
}

static void
require_returned_at_once (Watch *watch, const char *function)
{
  watch->returned = TRUE;
  watch->n_first = n_starts_printed (watch->plan);
  contract_require (now_ms (watch) <= EXACT_MS, "blocks-the-loop",
                    "%s returned after %d ms, expected at once", function,
                    now_ms (watch));
}

static void
start_batch (Watch *watch, Plan *plan)
{
  watch_begin (watch, plan);
  call_tools_async ((const ToolCall *) plan->calls->data, plan->calls->len, &plan->limits,
                    watch->cancellable, on_batch_over, watch);
  require_returned_at_once (watch, "call_tools_async");
}

static void
run_given_batch (void)
{
  Watch watch = { 0 };

  start_batch (&watch, given_plan (0));
  require_report (&watch);
}

/* One tool after another, each alone. */
static void
run_given_tools (void)
{
  Plan *plan;

  for (guint i = 0; (plan = given_plan (i)) != NULL; i++) {
    Watch watch = { .alone = TRUE };

    watch_begin (&watch, plan);
    run_tool_async (&CALL (plan, 0), plan->limits.timeout_ms, watch.cancellable,
                    on_tool_over, &watch);
    require_returned_at_once (&watch, "run_tool_async");
    require_report (&watch);
  }
}

/* A test that only runs what it was given. */
#define TOOLS_TEST(name)                                                                 \
  START_TEST (name)                                                                      \
  {                                                                                      \
    run_given_tools ();                                                                  \
  }                                                                                      \
  END_TEST
#define BATCH_TEST(name)                                                                 \
  START_TEST (name)                                                                      \
  {                                                                                      \
    run_given_batch ();                                                                  \
  }                                                                                      \
  END_TEST

/* ---- run_tool_async() ---- */

TOOLS_TEST (tool_answers)
TOOLS_TEST (tool_answers_at_length)
TOOLS_TEST (tool_fails)
TOOLS_TEST (tool_cannot_start)
TOOLS_TEST (tool_times_out)
TOOLS_TEST (tool_has_an_hour)
TOOLS_TEST (tool_is_cancelled)

/* Who has execute permission need not be a program. */
START_TEST (tool_is_a_folder)
{
  g_autofree char *folder = g_dir_make_tmp ("folder-XXXXXX", NULL);
  g_autofree char *tool =
      g_build_filename (folder, "tools", CALL (given_plan (0), 0).name, NULL);

  g_mkdir_with_parents (tool, 0700);
  g_assert (chdir (folder) == 0);
  run_given_tools ();
}
END_TEST

/* ---- call_tools_async() ---- */

BATCH_TEST (calls_in_their_order)
BATCH_TEST (calls_none_can_start)
BATCH_TEST (calls_one_fails)
BATCH_TEST (calls_many_fail)
BATCH_TEST (calls_some_cannot_start)
BATCH_TEST (calls_one_hangs)
BATCH_TEST (calls_limited)
BATCH_TEST (calls_one_at_a_time)
BATCH_TEST (calls_without_limit)
BATCH_TEST (calls_many)
BATCH_TEST (calls_wait_without_timing_out)
BATCH_TEST (calls_cancelled)
BATCH_TEST (calls_cancelled_before)
BATCH_TEST (random_batch_1)
BATCH_TEST (random_batch_2)

/* Longer than 32 bits of microseconds. */
START_TEST (calls_for_hours)
{
  Watch watch = { 0 };

  start_batch (&watch, given_plan (0));
  contract_run_for (1);   /* The tool has its arguments by now. */
  if (!contract_ticks ()) /* It would take too long. */
    require_report (&watch);
}
END_TEST

/* Nothing to call; and the same for a caller who has cancelled. */
START_TEST (calls_none)
{
  for (guint i = 0; i < 2; i++) {
    Watch watch = { 0 };
    start_batch (&watch, given_plan (i));
    require_report (&watch);
  }
}
END_TEST

/* The caller cancels when all is over, which must not touch what is gone. */
START_TEST (calls_cancelled_after)
{
  Watch watch = { 0 };
  Plan *plan = given_plan (0);

  start_batch (&watch, plan);
  require_report (&watch);
  contract_run_for (plan->cancel_ms / 1000.0);
}
END_TEST

/* The first ones start before the function returns, not from an idle. */
START_TEST (calls_are_printed)
{
  Watch watch = { 0 };
  Plan *plan = given_plan (0);

  start_batch (&watch, plan);
  require_report (&watch);
  contract_require (watch.n_first <= plan->limits.max_parallel, "output-differs",
                    "when call_tools_async returned, the start of %u calls had been "
                    "printed, with room for %u",
                    watch.n_first, plan->limits.max_parallel);
  contract_require (
      watch.n_first == plan->limits.max_parallel ||
          n_starts_printed (plan) != plan->calls->len,
      "starts-late",
      "when call_tools_async returned it had started %u calls, with room for %u",
      watch.n_first, plan->limits.max_parallel);
}
END_TEST

/* The address of a GLib function that this file puts another in front of. */
#define NEXT(function) ((__typeof__ (&function)) dlsym (RTLD_NEXT, #function))

/* On every machine, or else a limit of so many would show on some only. */
G_GNUC_INTERNAL guint
g_get_num_processors (void)
{
  return 2;
}

/* GIO neither copies what it shall write later, nor promises how much it writes at once.
 * For whoever writes to a tool himself, this is a pipe that never makes him wait. */

G_GNUC_INTERNAL GOutputStream *
g_subprocess_get_stdin_pipe (GSubprocess *process)
{
  GOutputStream *pipe = NEXT (g_subprocess_get_stdin_pipe) (process);
  int fd = -1;

  if (pipe != NULL) {
    g_object_get (pipe, "fd", &fd, NULL);
    g_unix_set_fd_nonblocking (fd, TRUE, NULL);
  }
  return pipe;
}

/* More than a pipe holds.  White space is legal before the end of a JSON object. */
enum { LONG_ARGUMENTS_BYTES = 200 * 1000 };

static void
lengthen_arguments (ToolCall *call)
{
  int length = (int) strlen (call->arguments) - 1;
  char *longer =
      g_strdup_printf ("%.*s%*s", length, call->arguments, LONG_ARGUMENTS_BYTES, "}");

  g_free ((char *) call->arguments);
  call->arguments = longer;
}

/* Free calls that the caller has used for something else. */
static void
overwrite_and_free (ToolCall *calls, guint n_calls)
{
  for (guint i = 0; i < n_calls; i++) {
    memset ((char *) calls[i].id, ' ', strlen (calls[i].id));
    memset ((char *) calls[i].name, ' ', strlen (calls[i].name));
    memset ((char *) calls[i].arguments, ' ', strlen (calls[i].arguments));
  }
  tool_calls_free (calls, n_calls);
}

/* Whether the caller frees the call at once, or when all is over. */
static void
run_copied_tool (Plan *plan, gboolean with_long_arguments, gboolean freed)
{
  Watch watch = { .alone = TRUE, .freed = freed };
  ToolCall *passed = tool_calls_copy (&CALL (plan, 0), 1);

  if (with_long_arguments)
    lengthen_arguments (passed);
  watch_begin (&watch, plan);
  run_tool_async (passed, 0, NULL, on_tool_over, &watch);
  require_returned_at_once (&watch, "run_tool_async");
  if (freed)
    overwrite_and_free (passed, 1);
  require_report (&watch);
  if (!freed)
    tool_calls_free (passed, 1);
}

/* The caller frees the call as soon as it can.  What fails when it does not is not due to
 * that. */
START_TEST (tool_call_is_freed_by_the_caller)
{
  run_copied_tool (given_plan (0), FALSE, FALSE);
  run_copied_tool (given_plan (1), TRUE, FALSE);
  run_copied_tool (given_plan (2), FALSE, TRUE);
  run_copied_tool (given_plan (3), TRUE, TRUE);
}
END_TEST

/* The caller frees the calls, and the limits, as soon as it can, and keeps no reference
 * to the GCancellable. */
START_TEST (calls_are_freed_by_the_caller)
{
  Watch watch = { 0 };
  Plan *plan = given_plan (0);
  guint n_calls = plan->calls->len;
  ToolCall *passed = tool_calls_copy ((const ToolCall *) plan->calls->data, n_calls);
  CallLimits *limits = g_memdup2 (&plan->limits, sizeof *limits);
  GCancellable *cancellable = g_cancellable_new ();

  watch_begin (&watch, plan);
  call_tools_async (passed, n_calls, limits, cancellable, on_batch_over, &watch);
  require_returned_at_once (&watch, "call_tools_async");
  g_object_unref (cancellable);
  overwrite_and_free (passed, n_calls);
  g_free (limits);
  require_report (&watch);
}
END_TEST

/* Two replies may well call their calls alike: an id is unique within its reply only. */
static void
give_same_ids (Plan *plan, const Plan *as)
{
  for (guint i = 0; i < plan->calls->len; i++) {
    g_free ((char *) CALL (plan, i).id);
    CALL (plan, i).id = g_strdup (CALL (as, i).id);
  }
}

/* The second batch starts while the first is under way, and both go on to their ends. */
static void
run_two_in_flight (Plan *first_plan, Plan *second_plan)
{
  Watch first = { .in_flight = TRUE };
  Watch second = { .in_flight = TRUE };

  start_batch (&first, first_plan);
  contract_run_for (0.05);
  start_batch (&second, second_plan);
  contract_run_until (&first.done, PATIENCE_S);
  contract_run_until (&second.done, PATIENCE_S);
  require_report (&first);
  require_report (&second);
}

START_TEST (batches_in_flight)
{
  give_same_ids (given_plan (1), given_plan (0));
  run_two_in_flight (given_plan (0), given_plan (1));
}
END_TEST

/* Each has its own time limit, its own GCancellable, and its own end: two pairs, and then
 * one more batch alone. */
START_TEST (batches_with_limits_of_their_own)
{
  Watch alone = { 0 };

  run_two_in_flight (given_plan (0), given_plan (1));
  run_two_in_flight (given_plan (2), given_plan (3));
  start_batch (&alone, given_plan (4));
  require_report (&alone);
}
END_TEST

static gboolean
start_second_batch (gpointer watch)
{
  start_batch (watch, given_plan (1));
  return G_SOURCE_REMOVE;
}

START_TEST (batch_from_a_callback)
{
  Watch second = { .plan = given_plan (1) };
  Watch first = { .then = start_second_batch, .then_data = &second };

  give_same_ids (given_plan (1), given_plan (0));
  start_batch (&first, given_plan (0));
  contract_run_until (&first.done, PATIENCE_S);
  contract_run_until (&second.done, PATIENCE_S);
  require_report (&first);
  require_report (&second);
}
END_TEST

/* ---- The loop stays free, one thread is enough, the heap stays the same ---- */

/* For tests that look at one thing alone: what else goes wrong costs marks elsewhere. */
static void
start_and_forget (const Plan *plan, GCancellable *cancellable, gboolean *done)
{
  has_returned = FALSE;
  call_tools_async ((const ToolCall *) plan->calls->data, plan->calls->len, &plan->limits,
                    cancellable, on_forget, done);
  has_returned = TRUE;
}

/* Long enough for one after another. */
static void
wait_for_plan (const Plan *plan, const gboolean *done)
{
  contract_run_until (done, plan_end_ms (plan) / 1000.0 * plan->calls->len + 1);
}

START_TEST (loop_stays_responsive)
{
  static gboolean done; /* Outlives this test, should the callback come too late. */
  double late_s;

  done = FALSE;
  contract_heartbeat_start ();
  start_and_forget (given_plan (0), NULL, &done);
  wait_for_plan (given_plan (0), &done);
  late_s = contract_heartbeat_stop ();

  contract_require (late_s * 1000 <= EXACT_MS, "blocks-the-loop",
                    "a tick that was due every 0.1 s on the same loop came %.3f s late",
                    late_s);
  contract_require (done, "never-quits", "the callback was not called");
}
END_TEST

/* GSubprocess itself uses threads of GIO's, so threads cannot simply be counted.  But a
 * function that starts one, called from the student's file, is one of these first. */

static const char *thread_starter;

G_GNUC_INTERNAL GThread *
g_thread_new (const gchar *name, GThreadFunc func, gpointer data)
{
  thread_starter = __func__;
  return NEXT (g_thread_new) (name, func, data);
}

G_GNUC_INTERNAL GThreadPool *
g_thread_pool_new (GFunc func, gpointer user_data, gint max_threads, gboolean exclusive,
                   GError **error)
{
  thread_starter = __func__;
  return NEXT (g_thread_pool_new) (func, user_data, max_threads, exclusive, error);
}

G_GNUC_INTERNAL void
g_task_run_in_thread (GTask *task, GTaskThreadFunc func)
{
  thread_starter = __func__;
  NEXT (g_task_run_in_thread) (task, func);
}

G_GNUC_INTERNAL int
pthread_create (pthread_t *thread, const pthread_attr_t *attributes,
                void *(*func) (void *), void *data)
{
  thread_starter = __func__;
  return NEXT (pthread_create) (thread, attributes, func, data);
}

static void
require_no_thread (void)
{
  contract_require (thread_starter == NULL, "uses-threads",
                    "your file starts a thread with %s", thread_starter);
}

START_TEST (one_thread_is_enough)
{
  static gboolean done;

  done = FALSE;
  start_and_forget (given_plan (0), NULL, &done);
  require_no_thread (); /* at once: with threads, much else may be wrong later */
  wait_for_plan (given_plan (0), &done);
  require_no_thread ();
  contract_require (done, "never-quits", "the callback was not called");
}
END_TEST

static void
run_and_forget (const Plan *plan)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GSource) cancel_time = g_timeout_source_new (MAX (plan->cancel_ms, 0));
  gboolean done = FALSE;

  g_source_set_callback (cancel_time, on_cancel_time, cancellable, NULL);
  if (plan->cancel_ms >= 0)
    g_source_attach (cancel_time, NULL);
  start_and_forget (plan, cancellable, &done);
  contract_run_until (&done, PATIENCE_S);
  contract_require (done, "never-quits", "the callback was not called");
  g_source_destroy (cancel_time); /* The test's own timer is no leak of the batch's. */
  contract_run_for (0.01); /* The loop has waited once more: all must be freed by now. */
  contract_require (!contract_is_timer_set (), "memory-leak",
                    "the loop has waited since the callback, but a timer of the batch is "
                    "still set");
}

enum { N_ROUNDS = 3 };

/* What GIO keeps in its idle threads is not the student's. */
static gsize
heap_without_idle_threads (void)
{
  g_thread_pool_stop_unused_threads ();
  contract_run_for (1);
  return contract_heap_in_use ();
}

static void
run_a_round (void)
{
  run_and_forget (given_plan (0));
  run_and_forget (given_plan (1));
  run_and_forget (given_plan (2));
}

/* What GIO allocates once, or gives back a moment later, is no leak: that shows in every
 * round. */
START_TEST (batches_leave_nothing_behind)
{
  gsize least = G_MAXSIZE;
  guint least_files = G_MAXUINT;

  run_a_round ();
  gsize before = heap_without_idle_threads ();
  guint files_before = contract_open_files ();
  for (guint i = 0; i < N_ROUNDS && least + least_files > 0; i++) {
    run_a_round ();
    gsize after = heap_without_idle_threads ();
    guint files_after = contract_open_files ();
    least = MIN (least, after > before ? after - before : 0);
    least_files =
        MIN (least_files, files_after > files_before ? files_after - files_before : 0);
    before = after;
    files_before = files_after;
  }
  for (guint i = 0; given_plan (i) != NULL; i++)
    plan_remove_journal (given_plan (i));

  contract_require (least_files == 0, "memory-leak",
                    "every three batches leave at least %u files or pipes open",
                    least_files);
  contract_require (least == 0, "memory-leak",
                    "every three batches leave at least %zu bytes of heap behind", least);
}
END_TEST

void
before_contract_test (void)
{
  g_set_print_handler (NULL);
  g_clear_pointer (&printed, g_ptr_array_unref);
  plans = NULL;
  has_returned = TRUE;
  thread_starter = NULL;
}

void
add_contract_tests (void)
{
  contract_add (tool_answers);
  contract_add (tool_answers_at_length);
  contract_add (tool_fails);
  contract_add (tool_cannot_start);
  contract_add (tool_times_out);
  contract_add (tool_has_an_hour);
  contract_add (tool_is_cancelled);
  contract_add (tool_call_is_freed_by_the_caller);
  contract_add (calls_in_their_order);
  contract_add (calls_none);
  contract_add (calls_none_can_start);
  contract_add (calls_for_hours);
  contract_add (calls_one_fails);
  contract_add (calls_many_fail);
  contract_add (calls_some_cannot_start);
  contract_add (calls_one_hangs);
  contract_add (calls_limited);
  contract_add (calls_one_at_a_time);
  contract_add (calls_without_limit);
  contract_add (calls_many);
  contract_add (calls_wait_without_timing_out);
  contract_add (calls_cancelled);
  contract_add (calls_cancelled_before);
  contract_add (calls_cancelled_after);
  contract_add (calls_are_freed_by_the_caller);
  contract_add (batches_in_flight);
  contract_add (batches_with_limits_of_their_own);
  contract_add (batch_from_a_callback);
  contract_add (calls_are_printed);
  contract_add (loop_stays_responsive);
  contract_add (one_thread_is_enough);
  contract_add (random_batch_1);
  contract_add (random_batch_2);
  contract_add_alone (batches_leave_nothing_behind);
  contract_add_alone (tool_is_a_folder); /* It works in another folder. */
}
