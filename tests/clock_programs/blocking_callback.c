/* A heartbeat every 100 ms, and one callback that sleeps for 2 s. */
#include <glib.h>
#include <unistd.h>

static gboolean
on_beat (gpointer user_data)
{
  int *n_left = user_data;

  g_print ("beat\n");
  return --*n_left > 0;
}

static void
block (void)
{
  sleep (2); /* BLOCKS HERE */
}

static gboolean
on_block (gpointer user_data)
{
  block ();
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

int
main (void)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  int n_left = 100;

  g_timeout_add (100, on_beat, &n_left);
  g_timeout_add (350, on_block, loop);
  g_main_loop_run (loop);
  return 0; /* The loop is not unreferenced: it is alive at the end. */
}
