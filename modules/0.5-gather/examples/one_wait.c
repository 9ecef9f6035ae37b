/* SPDX-License-Identifier: MIT
 *
 * Module 0.5, example: the smallest program that waits without standing still.
 */
#include <glib.h>

// BEGIN program
/* The second half: what Python would write after the `await`. */
static gboolean
on_answer (gpointer user_data)
{
  GMainLoop *loop = user_data;

  g_print ("3. the answer is here\n");
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE; /* Once is enough. */
}

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  g_print ("1. asking\n");
  g_timeout_add (1000, on_answer, loop); /* In 1000 ms, from the loop; returns at once. */
  g_print ("2. asked\n");

  g_main_loop_run (loop); /* All waiting happens in here. */
  return 0;
}
// END program
