/* Looks every millisecond whether the time given as argument, in seconds, is up. */
#include <glib.h>
#include <stdlib.h>

static gint64 end_us;

static gboolean
look (gpointer loop)
{
  if (g_get_monotonic_time () < end_us)
    return G_SOURCE_CONTINUE;
  g_print ("time is up\n");
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  end_us = g_get_monotonic_time () + (gint64) atoi (argv[1]) * G_USEC_PER_SEC;
  g_timeout_add (1, look, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
