/* Two threads, two mutexes, opposite order. */
#include <glib.h>

static GMutex one, two;

static gpointer
run (gpointer data)
{
  g_mutex_lock (&two);
  g_usleep (1000);
  g_mutex_lock (&one);
  return NULL;
}

int
main (void)
{
  GThread *thread = g_thread_new ("other", run, NULL);

  g_mutex_lock (&one);
  g_usleep (1000);
  g_mutex_lock (&two);
  g_thread_join (thread);
  return 0;
}
