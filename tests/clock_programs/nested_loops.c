/* A callback runs a loop of its own. */
#include <glib.h>

static gboolean
on_quit (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_nest (gpointer user_data)
{
  GMainLoop *inner = g_main_loop_new (NULL, FALSE);

  g_timeout_add (1000, on_quit, inner);
  g_main_loop_run (inner);
  g_main_loop_unref (inner);
  g_print ("inner done\n");
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

int
main (void)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  g_timeout_add (500, on_nest, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  g_print ("outer done\n");
  return 0;
}
