/* As many one-shot timers as the first argument says, with distinct deadlines. */
#include <glib.h>
#include <stdlib.h>

static int n_left;

static gboolean
on_time (gpointer user_data)
{
  if (--n_left == 0)
    g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  int n = argc > 1 ? atoi (argv[1]) : 1000;

  n_left = n;
  for (int i = 1; i <= n; i++)
    g_timeout_add (i * 3600, on_time, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  g_print ("done\n");
  return 0;
}
