/* SPDX-License-Identifier: MIT
 *
 * Lesson 0.6: broken on purpose.  Gives up waiting after a second.  And the process?
 */
#include <gio/gio.h>

#include <stdlib.h>
#include <unistd.h>

static gboolean
on_deadline (gpointer user_data)
{
  g_cancellable_cancel (G_CANCELLABLE (user_data));
  return G_SOURCE_REMOVE;
}

// BEGIN end
static void
on_answer (GObject *process, GAsyncResult *result, gpointer user_data)
{
  GMainLoop *loop = user_data;
  g_autoptr (GError) error = NULL;

  g_subprocess_communicate_utf8_finish (G_SUBPROCESS (process), result, NULL, NULL,
                                        &error);
  g_print ("%s\n", error != NULL ? error->message : "it has answered");
  g_main_loop_quit (loop);
}
// END end

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) stop = g_cancellable_new ();
  g_autoptr (GSubprocess) process =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL, "sleep", "5", NULL);

  g_timeout_add (1000, on_deadline, stop);
  g_subprocess_communicate_utf8_async (process, NULL, stop, on_answer, loop);
  g_main_loop_run (loop);

  g_autofree char *list = g_strdup_printf ("ps --ppid %d -o pid,stat,args", getpid ());
  return system (list);
}
