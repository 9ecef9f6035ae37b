/* Check in fork mode: a test that passes, one that is stuck, one that never ends, one
 * that crashes, one that leaves by exit (0), one whose assertion fails.  Check itself
 * sets no time limit. */
#include <check.h>
#include <glib.h>
#include <stdlib.h>

static gboolean
on_quit (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_tick (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

START_TEST (passes)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  g_timeout_add_seconds (3, on_quit, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
}
END_TEST

START_TEST (is_stuck)
{
  g_main_loop_run (g_main_loop_new (NULL, FALSE));
}
END_TEST

START_TEST (never_ends)
{
  g_timeout_add (5000, on_tick, NULL);
  g_main_loop_run (g_main_loop_new (NULL, FALSE));
}
END_TEST

START_TEST (crashes)
{
  g_usleep (1000);
  abort ();
}
END_TEST

START_TEST (leaves)
{
  exit (0);
}
END_TEST

START_TEST (fails)
{
  g_usleep (250000);
  ck_assert_int_eq (1, 2);
}
END_TEST

int
main (void)
{
  Suite *suite = suite_create ("clock");
  TCase *tcase = tcase_create ("clock");
  SRunner *runner;
  int n_failed;

  tcase_set_timeout (tcase, 0);
  tcase_add_test (tcase, passes);
  tcase_add_test (tcase, is_stuck);
  tcase_add_test (tcase, never_ends);
  tcase_add_test (tcase, crashes);
  tcase_add_test (tcase, leaves);
  tcase_add_test (tcase, fails);
  suite_add_tcase (suite, tcase);
  runner = srunner_create (suite);
  srunner_run_all (runner, CK_VERBOSE);
  n_failed = srunner_ntests_failed (runner);
  srunner_free (runner);
  return n_failed;
}
