/* Kills a child at 1 s, and runs an inner main loop until it is dead: that takes no time.
 */
#include <glib.h>
#include <signal.h>
#include <unistd.h>

static void
on_death (GPid pid, gint status, gpointer loop)
{
  g_main_loop_quit (loop);
}

static gboolean
kill_and_wait (gpointer data)
{
  GPid *pid = data;
  g_autoptr (GMainLoop) inner = g_main_loop_new (NULL, FALSE);

  kill (*pid, SIGKILL);
  g_child_watch_add (*pid, on_death, inner);
  g_main_loop_run (inner);
  g_print ("dead\n");
  *pid = 0;
  return G_SOURCE_REMOVE;
}

int
main (void)
{
  GPid pid = fork ();

  if (pid == 0) {
    sleep (20);
    _exit (0);
  }
  g_timeout_add (1000, kill_and_wait, &pid);
  while (pid != 0)
    g_main_context_iteration (NULL, TRUE);
  return 0;
}
