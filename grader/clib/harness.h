/* SPDX-License-Identifier: MIT
 *
 * The frame around a module's contract tests: what check_<name>.c builds on.
 *
 * A module's check_<name>.c holds ordinary Check tests, START_TEST (name) ... END_TEST,
 * and one function, add_contract_tests(), that lists them with contract_add().  The frame
 * has main().  It runs the tests on the virtual clock, in a process that they share for
 * as long as they pass, and tells the grader through a channel of its own when a test
 * begins and ends; so the grader knows which output, waits and threads belong to which
 * test, and compares them with what its oracle expects.  What fails behind other tests in
 * a process is run again without them.
 *
 * Each test starts on a whole second of the monotonic clock, so that timers that are
 * rounded to seconds (g_timeout_add_seconds) are exact.
 */
#pragma once

#include <check.h>
#include <glib.h>

/* Written by the module: calls contract_add() once for each of its tests. */
void add_contract_tests (void);

/* Written by the module: called before each test, to forget what the one before may have
 * left in static variables, or in the process. */
void before_contract_test (void);

/* Add the test @test, a START_TEST name, under that name. */
#define contract_add(test) contract_add_named (#test, test, FALSE)

/* The same for a test that shares its process with no other: it changes it, or measures
 * what others have changed. */
#define contract_add_alone(test) contract_add_named (#test, test, TRUE)

void contract_add_named (const char *name, const TTest *test, gboolean alone);

/* The lines that the grader's scenario gives to the running test: NULL-terminated, owned
 * by the frame; empty for a test without a scenario. */
const char *const *contract_given (void);

/* End the running test as failed: @diagnosis is an id of the module's diagnoses.toml, the
 * rest says with values what was expected and what was seen. */
#define contract_fail(diagnosis, ...)                                                    \
  ck_abort_msg ("%s: %s", diagnosis, contract_format (__VA_ARGS__))

/* contract_fail() unless @condition holds. */
#define contract_require(condition, diagnosis, ...)                                      \
  do {                                                                                   \
    if (!(condition))                                                                    \
      contract_fail (diagnosis, __VA_ARGS__);                                            \
  } while (0)

/* Say at once what is wrong, and go on: it counts if the test does not reach its end. */
#define contract_note(diagnosis, ...)                                                    \
  contract_say (diagnosis, contract_format (__VA_ARGS__))
void contract_say (const char *diagnosis, const char *words);

/* The message of contract_require(); owned by the frame. */
const char *contract_format (const char *format, ...) G_GNUC_PRINTF (1, 2);

/* Seconds of virtual time since the running test began. */
double contract_now_s (void);

/* Run the default main context until *@done is TRUE or @limit_s seconds have passed.
 * Returns *@done. */
gboolean contract_run_until (const gboolean *done, double limit_s);

/* Run the default main context for @seconds, whatever happens in it. */
void contract_run_for (double seconds);

/* Run the default main context for a minute, and see whether it wakes up in it.  A
 * program may legally count down in ticks, but not for days: each tick takes real time.
 */
gboolean contract_ticks (void);

/* Whether a timer is set on the default main context; none of the frame's is. */
gboolean contract_is_timer_set (void);

/* Keep what is written to stdout from now on, by whatever means. */
void contract_capture_start (void);

/* Let stdout go on as before, with what was kept first.  Returns that; free with g_free.
 */
char *contract_capture_stop (void);

/* From now on, nobody reads what is written to stdout in this test. */
void contract_be_quiet (void);

/* The longest time in seconds by which a 0.1 s tick on the default main context came late
 * since contract_heartbeat_start(): 0 when the loop always was free. */
void contract_heartbeat_start (void);
double contract_heartbeat_stop (void);

/* Bytes of heap in use now, to compare before and after. */
gsize contract_heap_in_use (void);

/* Set @n_timers timers that do nothing, and run the loop until all have fired: what GLib
 * keeps for the next so many is allocated then, and no leak of anybody's. */
void contract_run_timers (guint n_timers);

/* In @after_s seconds, let a callback on the default main context stand still for @for_s.
 */
void contract_hold_up_loop (double after_s, double for_s);

/* How many file descriptors are open now, to compare before and after. */
guint contract_open_files (void);

/* A copy of @text, of less than 4096 bytes, that can be taken back: from then on, whoever
 * reads it ends the test as failed with dangling-user-data, even if it is GLib that reads
 * it for somebody, which AddressSanitizer does not see.  Up to 64 in a test; owned by the
 * frame. */
char *contract_lend (const char *text);
void contract_take_back (char *text);
