/* Contract tests for the frame itself (grader/clib/harness.c): see test_harness.py.  Each
 * says whether another one has run in its process, which none of a module's may notice.
 */
#include "harness.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static guint n_run;      /* in this process */
static guint n_prepared; /* calls of before_contract_test() */

void
before_contract_test (void)
{
  n_prepared++;
}

START_TEST (passes)
{
  n_run++;
  g_print ("%u in this process\n", n_run);
}
END_TEST

START_TEST (is_prepared)
{
  n_run++;
  contract_require (n_prepared == n_run, "crash", "prepared %u times for %u tests",
                    n_prepared, n_run);
}
END_TEST

START_TEST (is_confused_by_others)
{
  n_run++;
  contract_note ("shared-state", "another test had run before, if it died of that");
  contract_require (n_run == 1, "shared-state", "%u tests before", n_run - 1);
}
END_TEST

START_TEST (fails)
{
  contract_fail ("wrong-unit", "it always does");
}
END_TEST

START_TEST (crashes)
{
  raise (SIGKILL);
}
END_TEST

START_TEST (leaves)
{
  exit (0);
}
END_TEST

START_TEST (is_quiet)
{
  n_run++;
  contract_be_quiet ();
  g_print ("nobody hears this\n");
}
END_TEST

/* As many strings as can be lent at all, by each of two tests. */
static void
lend_all (void)
{
  for (guint i = 0; i < 64; i++) {
    char *text = contract_lend ("lent");
    contract_require (strcmp (text, "lent") == 0, "crash", "it has '%s'", text);
    contract_take_back (text);
  }
}

START_TEST (lends)
{
  n_run++;
  lend_all ();
}
END_TEST

START_TEST (lends_again)
{
  n_run++;
  lend_all ();
}
END_TEST

START_TEST (wants_to_be_alone)
{
  n_run++;
  contract_require (n_run == 1, "crash", "%u tests before", n_run - 1);
}
END_TEST

void
add_contract_tests (void)
{
  contract_add (passes);
  contract_add (is_prepared);
  contract_add (is_confused_by_others);
  contract_add (fails);
  contract_add (crashes);
  contract_add (leaves);
  contract_add (is_quiet);
  contract_add (lends);
  contract_add (lends_again);
  contract_add_alone (wants_to_be_alone);
}

int
main (void)
{
  return 0;
}
