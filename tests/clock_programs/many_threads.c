/* Twice fifty threads, each with a sleep of its own length. */
#include <glib.h>

static gpointer
run (gpointer data)
{
  g_usleep (1000 * GPOINTER_TO_UINT (data));
  return NULL;
}

int
main (void)
{
  for (int round = 0; round < 2; round++) {
    GThread *threads[50];

    for (guint i = 0; i < 50; i++)
      threads[i] = g_thread_new ("sleeper", run, GUINT_TO_POINTER (i));
    for (guint i = 0; i < 50; i++)
      g_thread_join (threads[i]);
  }
  g_print ("done\n");
  return 0;
}
