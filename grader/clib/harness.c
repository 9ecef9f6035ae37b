/* SPDX-License-Identifier: MIT
 *
 * The frame of the contract tests.  See harness.h for what it does and why.
 *
 * It is linked with the student's program, and runs that as long as the environment has
 * no CONTRACT_TESTS.
 *
 * Interface to the grader
 *   CONTRACT_TESTS   set: run the tests, not the program
 *   standard input   "nonce <hex>"; "alone" if tests must not share a process; then for
 *                    each scenario "test <name>" and its lines: those tests are run
 *   REPORT_FD        a pipe: "begin <nonce> <test>", "end <nonce> <test>" around each
 *                    test, "fresh" behind the first one of a process; and afterwards
 *                    "result <nonce> <test> pass|fail|error <message>";
 *                    "note <nonce> <test> <diagnosis>: <words>" from within a test
 *
 * A test counts when its end arrived with the nonce of this run and its result is a pass:
 * code that leaves the process early, however it does so, does not reach its end.
 *
 * Most of what a test costs is to start and end a process.  So tests share one for as
 * long as they pass.  One that fails behind others runs again as the first of another
 * process: no failure is due to what the tests before have left.
 */
#define _GNU_SOURCE /* memfd_create, close_range, RTLD_NEXT */
#include "harness.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* ASan keeps this count; the tests are always built with it. */
extern size_t __sanitizer_get_current_allocated_bytes (void);
extern void __sanitizer_symbolize_pc (void *pc, const char *format, char *text,
                                      size_t size);

enum { LONGEST_REPORT = 4096 };

static const char *const NO_LINES[] = { NULL };

static int report_fd = -1;
static char *nonce;
static GHashTable *given; /* test name -> GPtrArray of lines */
static gint64 test_start_us;

typedef struct {
  const char *name;
  TFun run;
  gboolean alone; /* It needs a process of its own. */
} Test;

static GArray *tests; /* of Test, in order */
static guint *at;     /* which of them is running; shared with the process that runs it */
static guint first;   /* which one that process began with */
static gboolean all_alone;

static void
die (const char *message)
{
  fprintf (stderr, "contract tests: %s\n", message);
  exit (2);
}

/* One line, not longer than LONGEST_REPORT. */
static void
report (const char *format, ...)
{
  static char line[LONGEST_REPORT + 1];
  const char *rest = line;
  va_list args;

  va_start (args, format);
  g_vsnprintf (line, LONGEST_REPORT, format, args);
  va_end (args);
  g_strdelimit (line, "\n\r", ' ');
  strcat (line, "\n");

  for (size_t left = strlen (rest); left > 0;) {
    ssize_t written = write (report_fd, rest, left);
    if (written < 0 && errno != EINTR)
      return; /* The grader has gone; nobody is left to tell. */
    if (written > 0) {
      rest += written;
      left -= (size_t) written;
    }
  }
}

static const char *
running_test (void)
{
  return g_array_index (tests, Test, *at).name;
}

/* ---- What the grader gives ---- */

static void
read_given (void)
{
  GPtrArray *current = NULL;
  char *line = NULL;
  size_t size = 0;

  given = g_hash_table_new (g_str_hash, g_str_equal);
  while (getline (&line, &size, stdin) > 0) {
    line[strcspn (line, "\n")] = '\0';
    if (g_str_has_prefix (line, "nonce ")) {
      nonce = g_strdup (line + strlen ("nonce "));
    } else if (strcmp (line, "alone") == 0) {
      all_alone = TRUE;
    } else if (g_str_has_prefix (line, "test ")) {
      current = g_ptr_array_new ();
      g_hash_table_insert (given, g_strdup (line + strlen ("test ")), current);
    } else if (current != NULL && *line != '\0') {
      g_ptr_array_add (current, g_strdup (line));
    }
  }
  free (line);

  GHashTableIter iter;
  gpointer array;
  g_hash_table_iter_init (&iter, given);
  while (g_hash_table_iter_next (&iter, NULL, &array))
    g_ptr_array_add (array, NULL);
}

const char *const *
contract_given (void)
{
  GPtrArray *lines = g_hash_table_lookup (given, running_test ());

  return lines != NULL ? (const char *const *) lines->pdata : NO_LINES;
}

/* ---- Time ---- */

/* The frame waits in a main loop of its own: a wait that the trace shows as blocked is
 * the student's.  Both are made before the first test: to make them takes longer than
 * many a test. */
static GMainContext *own;
static GSource *alarm_clock; /* Ready at a time, or never. */

static gboolean
ring (GSource *source, GSourceFunc callback, gpointer user_data)
{
  g_source_set_ready_time (source, -1);
  return G_SOURCE_CONTINUE;
}

static void
make_alarm_clock (void)
{
  static GSourceFuncs functions = { .dispatch = ring };

  own = g_main_context_new ();
  alarm_clock = g_source_new (&functions, sizeof (GSource));
  g_source_attach (alarm_clock, own);
}

static void
sleep_until_us (gint64 when_us)
{
  gint64 now_us = g_get_monotonic_time ();

  g_source_set_ready_time (alarm_clock, now_us + (when_us - now_us) / 1000 * 1000);
  while (g_source_get_ready_time (alarm_clock) >= 0)
    g_main_context_iteration (own, TRUE);
  if (g_get_monotonic_time () < when_us)
    g_usleep ((gulong) (when_us - g_get_monotonic_time ()));
}

/* The student's tools get none of the files that are open up to now: they are ours. */
static void
keep_files_from_tools (void)
{
  close_range (STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
}

/* ---- What tests use ---- */

const char *
contract_format (const char *format, ...)
{
  static char message[1024];
  va_list args;

  va_start (args, format);
  g_vsnprintf (message, sizeof message, format, args);
  va_end (args);
  return message;
}

void
contract_say (const char *diagnosis, const char *words)
{
  report ("note %s %s %s: %s", nonce, running_test (), diagnosis, words);
}

double
contract_now_s (void)
{
  return (double) (g_get_monotonic_time () - test_start_us) / G_USEC_PER_SEC;
}

static gboolean
set_flag (gpointer flag)
{
  *(gboolean *) flag = TRUE;
  return G_SOURCE_CONTINUE;
}

enum { LONGEST_TIMER_S = 1000000 }; /* their milliseconds have 32 bits */

gboolean
contract_run_until (const gboolean *done, double limit_s)
{
  for (double left_s = limit_s; left_s >= 0 && !*done; left_s -= LONGEST_TIMER_S) {
    gboolean late = FALSE;
    guint limit_ms = (guint) (MIN (left_s, LONGEST_TIMER_S) * 1000 + 0.5);
    guint limit = g_timeout_add (limit_ms, set_flag, &late);

    while (!*done && !late)
      g_main_context_iteration (NULL, TRUE);
    g_source_remove (limit);
  }
  return *done;
}

void
contract_run_for (double seconds)
{
  const gboolean never = FALSE;

  contract_run_until (&never, seconds);
}

gboolean
contract_ticks (void)
{
  gboolean over = FALSE;
  guint n_wakes = 0;

  g_timeout_add (60 * 1000, set_flag, &over);
  for (; !over; n_wakes++)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove_by_user_data (&over);
  return n_wakes > 1; /* One is for our own timer. */
}

gboolean
contract_is_timer_set (void)
{
  GMainContext *context = g_main_context_default ();
  int timeout_ms = -1, priority;
  GPollFD polled;

  g_main_context_acquire (context);
  g_main_context_prepare (context, &priority);
  g_main_context_query (context, priority, &timeout_ms, &polled, 1);
  g_main_context_release (context);
  return timeout_ms >= 0;
}

static struct {
  int memory;
  int stdout_fd;
} capture;

void
contract_capture_start (void)
{
  fflush (stdout);
  capture.memory = memfd_create ("stdout", MFD_CLOEXEC);
  capture.stdout_fd = dup (STDOUT_FILENO);
  if (capture.memory < 0 || dup2 (capture.memory, STDOUT_FILENO) < 0)
    die ("stdout cannot be captured");
}

char *
contract_capture_stop (void)
{
  fflush (stdout);
  gsize length = (gsize) lseek (capture.memory, 0, SEEK_END);
  char *text = g_malloc0 (length + 1);

  if (pread (capture.memory, text, length, 0) < 0)
    die ("what was captured cannot be read");
  dup2 (capture.stdout_fd, STDOUT_FILENO);
  close (capture.stdout_fd);
  close (capture.memory);
  fputs (text, stdout);
  fflush (stdout);
  return text;
}

static int heard_fd = -1; /* stdout while the test is quiet */

void
contract_be_quiet (void)
{
  fflush (stdout);
  int nowhere = open ("/dev/null", O_WRONLY | O_CLOEXEC);

  heard_fd = fcntl (STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  dup2 (nowhere, STDOUT_FILENO);
  close (nowhere);
}

static void
end_quiet (void)
{
  if (heard_fd < 0)
    return;
  dup2 (heard_fd, STDOUT_FILENO);
  close (heard_fd);
  heard_fd = -1;
}

enum { HEARTBEAT_MS = 100 };

static struct {
  guint source;
  gint64 due_us;
  gint64 latest_us;
} heartbeat;

static gboolean
on_heartbeat (gpointer user_data)
{
  gint64 now_us = g_get_monotonic_time ();

  heartbeat.latest_us = MAX (heartbeat.latest_us, now_us - heartbeat.due_us);
  heartbeat.due_us = now_us + HEARTBEAT_MS * 1000;
  return G_SOURCE_CONTINUE;
}

void
contract_heartbeat_start (void)
{
  heartbeat.latest_us = 0;
  heartbeat.due_us = g_get_monotonic_time () + HEARTBEAT_MS * 1000;
  heartbeat.source = g_timeout_add (HEARTBEAT_MS, on_heartbeat, NULL);
}

double
contract_heartbeat_stop (void)
{
  g_source_remove (heartbeat.source);
  return (double) MAX (heartbeat.latest_us, g_get_monotonic_time () - heartbeat.due_us) /
         G_USEC_PER_SEC;
}

gsize
contract_heap_in_use (void)
{
  return __sanitizer_get_current_allocated_bytes ();
}

static gboolean
do_nothing (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

void
contract_run_timers (guint n_timers)
{
  for (guint i = 0; i < n_timers; i++)
    g_timeout_add_seconds (1, do_nothing, NULL);
  contract_run_for (2);
}

static gboolean
stand_still (gpointer user_data)
{
  g_usleep (GPOINTER_TO_SIZE (user_data));
  return G_SOURCE_REMOVE;
}

void
contract_hold_up_loop (double after_s, double for_s)
{
  gsize for_us = (gsize) (for_s * G_USEC_PER_SEC);

  g_timeout_add ((guint) (after_s * 1000), stand_still, GSIZE_TO_POINTER (for_us));
}

guint
contract_open_files (void)
{
  g_autoptr (GDir) folder = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n_files = 0;

  while (g_dir_read_name (folder) != NULL)
    n_files++;
  return n_files;
}

/* ---- Strings that can be taken back: each in a page of its own ---- */

enum { PAGE_BYTES = 4096, MOST_LENT = 64 };

static char *pages; /* NULL: none was lent yet */
static gsize n_lent;
static struct sigaction sanitizers_action; /* on SIGSEGV */

static void
on_fault (int signal_number, siginfo_t *info, void *context)
{
  const char *address = info->si_addr;

  if (address >= pages && address < pages + MOST_LENT * PAGE_BYTES)
    contract_fail ("dangling-user-data",
                   "a name was read that was the caller's again, who had freed it");
  sigaction (SIGSEGV, &sanitizers_action, NULL); /* The same happens once more. */
}

char *
contract_lend (const char *text)
{
  const struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };

  if (pages == NULL) {
    pages = mmap (NULL, MOST_LENT * PAGE_BYTES, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert (pages != MAP_FAILED);
    sigaction (SIGSEGV, &action, &sanitizers_action);
  }
  g_assert (n_lent < MOST_LENT && strlen (text) < PAGE_BYTES);
  return strcpy (pages + n_lent++ * PAGE_BYTES, text);
}

void
contract_take_back (char *text)
{
  mprotect (text, PAGE_BYTES, PROT_NONE);
}

static void
end_lending (void)
{
  if (n_lent > 0)
    mprotect (pages, n_lent * PAGE_BYTES, PROT_READ | PROT_WRITE);
  n_lent = 0;
}

/* ---- Around each test ---- */

static void
before_test (void)
{
  gint64 now_us = g_get_monotonic_time ();

  keep_files_from_tools (); /* Check has opened one of its own. */
  report ("begin %s %s%s", nonce, running_test (), *at == first ? " fresh" : "");
  /* Time moves between the report and the test, so the two never share a time stamp. */
  test_start_us = (now_us / G_USEC_PER_SEC + 1) * G_USEC_PER_SEC;
  sleep_until_us (test_start_us);
}

static void
after_test (void)
{
  fflush (stdout);
  sleep_until_us (g_get_monotonic_time () + 1000);
  report ("end %s %s", nonce, running_test ());
  sleep_until_us (g_get_monotonic_time () + 1000);
  end_quiet ();
  end_lending ();
}

void
contract_add_named (const char *name, const TTest *test, gboolean alone)
{
  const Test added = { name, test->fn, alone || all_alone };

  if (g_hash_table_contains (given, name))
    g_array_append_val (tests, added);
}

/* ---- Where LeakSanitizer looks ----
 *
 * It looks for pointers to the heap in the variables of all libraries, of the sanitizers'
 * as well.  Theirs are 12 MB of zeros, and point to nothing: to have the system make so
 * many pages took most of the time of a short program.  Whoever asks is told of those of
 * their variables only that are in the file.
 */

enum { MOST_SEGMENTS = 16 };

typedef struct {
  int (*callback) (struct dl_phdr_info *, size_t, void *);
  void *data;
} Question;

/* LeakSanitizer calls this while the program stands still: nothing of it may be used. */
static int __attribute__ ((no_sanitize ("address", "undefined")))
answer_without_zeros (struct dl_phdr_info *info, size_t size, void *data)
{
  const Question *question = data;
  ElfW (Phdr) segments[MOST_SEGMENTS];
  struct dl_phdr_info told = *info;

  if (info->dlpi_phnum > MOST_SEGMENTS ||
      (strstr (info->dlpi_name, "/libasan.so") == NULL &&
       strstr (info->dlpi_name, "/libubsan.so") == NULL))
    return question->callback (info, size, question->data);
  for (int i = 0; i < info->dlpi_phnum; i++) {
    segments[i] = info->dlpi_phdr[i];
    segments[i].p_memsz = MIN (segments[i].p_memsz, segments[i].p_filesz);
  }
  told.dlpi_phdr = segments;
  return question->callback (&told, size, question->data);
}

int __attribute__ ((no_sanitize ("address", "undefined")))
dl_iterate_phdr (int (*callback) (struct dl_phdr_info *, size_t, void *), void *data)
{
  static int (*next) (int (*) (struct dl_phdr_info *, size_t, void *), void *);
  Question question = { callback, data };

  if (next == NULL) /* The first call is at the start. */
    next = (__typeof__ (next)) dlsym (RTLD_NEXT, "dl_iterate_phdr");
  return next (answer_without_zeros, &question);
}

/* ---- main ---- */

/* Check notes how long each test took, in a number of microseconds that holds 35 minutes;
 * tests here take days of virtual time.  So it measures processor time instead: the tests
 * are linked with --wrap=check_get_clockid. */
clockid_t __wrap_check_get_clockid (void);

clockid_t
__wrap_check_get_clockid (void)
{
  return CLOCK_PROCESS_CPUTIME_ID;
}

static const char *
result_word (TestResult *result)
{
  switch (tr_rtype (result)) {
  case CK_PASS:
    return "pass";
  case CK_FAILURE:
    return "fail";
  default:
    return "error"; /* It crashed, was killed, or left early. */
  }
}

/* Whether the test at @at can follow the ones that its process has run. */
static gboolean
shares_process (void)
{
  const Test *test = &g_array_index (tests, Test, *at);

  return *at == first || !(test->alone || test[-1].alone);
}

/* The tests from *at on, until one fails. */
START_TEST (tests_in_a_process)
{
  for (; *at < tests->len && shares_process (); (*at)++) {
    before_contract_test ();
    before_test ();
    g_array_index (tests, Test, *at).run (0);
    after_test ();
  }
  /* Nothing is left to do: what exit() goes through takes longer than many a test. */
  _exit (0);
}
END_TEST

/* A sanitizer that has something to report reads first which lines there are, and that
 * takes longer than most tests.  Where it has, it may again: what has been read here, all
 * processes that are yet to come have. */
static void
read_lines_for_sanitizers (TestResult *result)
{
  static gboolean done;
  char line[256];

  if (done || tr_rtype (result) != CK_ERROR ||
      !g_str_has_suffix (tr_msg (result), "return value 1"))
    return;
  __sanitizer_symbolize_pc ((void *) add_contract_tests, "%L", line, sizeof line);
  done = TRUE;
}

/* Runs some tests, at least one of them to its verdict. */
static void
run_process (SRunner *runner)
{
  first = *at;
  srunner_run (runner, NULL, NULL, CK_SILENT);
  *at = CLAMP (*at, first, tests->len); /* whatever a stranger may have written there */

  TestResult **results = srunner_results (runner);
  TestResult *result = results[srunner_ntests_run (runner) - 1];
  free (results);
  read_lines_for_sanitizers (result);

  for (guint i = first; i < *at; i++)
    report ("result %s %s pass", nonce, g_array_index (tests, Test, i).name);
  if (*at == first) {
    report ("result %s %s %s %s", nonce, running_test (), result_word (result),
            tr_msg (result));
    ++*at;
  }
}

static int
run_contract_tests (void)
{
  const char *fd_text = g_getenv ("REPORT_FD");

  if (fd_text == NULL)
    die ("run me through the grader: REPORT_FD is not set");
  report_fd = atoi (fd_text);
  g_unsetenv ("REPORT_FD");

  read_given ();
  if (nonce == NULL)
    die ("run me through the grader: there is no nonce on standard input");

  /* In the C locale, g_print() opens a converter for each line: that is half of the time
   * of a plan of thousands of steps. */
  setlocale (LC_CTYPE, "C.UTF-8");

  make_alarm_clock ();
  tests = g_array_new (FALSE, FALSE, sizeof (Test));
  add_contract_tests ();
  at = mmap (NULL, sizeof *at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  g_assert (at != MAP_FAILED);

  Suite *suite = suite_create ("contract");
  TCase *tcase = tcase_create ("contract");
  tcase_set_timeout (tcase, 0); /* The grader's clock sees what hangs. */
  tcase_add_test (tcase, tests_in_a_process);
  suite_add_tcase (suite, tcase);
  SRunner *runner = srunner_create (suite);
  srunner_set_fork_status (runner, CK_FORK);
  while (*at < tests->len)
    run_process (runner);
  srunner_free (runner);
  return 0;
}

/* All of it is linked with --wrap=main: the program starts here, and the student's main()
 * stays as it is. */
int __real_main (int argc, char **argv, char **environment);
int __wrap_main (int argc, char **argv, char **environment);

int
__wrap_main (int argc, char **argv, char **environment)
{
  keep_files_from_tools ();
  if (g_getenv ("CONTRACT_TESTS") != NULL)
    return run_contract_tests ();
  return __real_main (argc, argv, environment);
}
