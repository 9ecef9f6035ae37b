/* Waits for 1 s and leaks 10 bytes. */
#include <glib.h>

static gboolean
on_time (gpointer user_data)
{
  char *volatile lost = g_malloc (10);

  lost = NULL;
  g_main_loop_quit (user_data);
  return lost != NULL;
}

int
main (void)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  g_timeout_add (1000, on_time, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
