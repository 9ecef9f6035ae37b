/* SPDX-License-Identifier: MIT
 *
 * Lesson 0.6: one child process, asked and heard without ever standing still.
 */
#include <gio/gio.h>

// BEGIN program
/* The second half: the process has answered, and it has exited. */
static void
on_answer (GObject *process, GAsyncResult *result, gpointer user_data)
{
  GMainLoop *loop = user_data;
  g_autofree char *answer = NULL;

  g_subprocess_communicate_utf8_finish (G_SUBPROCESS (process), result, &answer, NULL,
                                        NULL);
  g_print ("3. the answer is: %s", answer);
  g_main_loop_quit (loop);
}

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                        NULL, "sh", "-c", "sleep 1; tr a-z A-Z", NULL);

  g_print ("1. asking\n");
  g_subprocess_communicate_utf8_async (process, "is anybody there?\n", NULL, on_answer,
                                       loop);
  g_print ("2. asked\n");

  g_main_loop_run (loop);
  return 0;
}
// END program
