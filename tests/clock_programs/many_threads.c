/* Fifty threads, each with a sleep of its own length, as often as the first argument
 * says. */
#include <glib.h>
#include <stdlib.h>

static gpointer
run (gpointer data)
{
  g_usleep (1000 * GPOINTER_TO_UINT (data));
  return NULL;
}

int
main (int argc, char **argv)
{
  int n_rounds = argc > 1 ? atoi (argv[1]) : 2;

  for (int round = 0; round < n_rounds; round++) {
    GThread *threads[50];

    for (guint i = 0; i < 50; i++)
      threads[i] = g_thread_new ("sleeper", run, GUINT_TO_POINTER (i));
    for (guint i = 0; i < 50; i++)
      g_thread_join (threads[i]);
  }
  g_print ("done\n");
  return 0;
}
