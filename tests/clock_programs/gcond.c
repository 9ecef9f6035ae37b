/* g_cond_wait_until(): once it is signalled, once its time is up. */
#include <glib.h>

static GMutex mutex;
static GCond cond;
static gboolean is_ready;

static gpointer
signal_later (gpointer data)
{
  g_usleep (G_USEC_PER_SEC);
  g_mutex_lock (&mutex);
  is_ready = TRUE;
  g_cond_signal (&cond);
  g_mutex_unlock (&mutex);
  return NULL;
}

int
main (void)
{
  GThread *thread = g_thread_new ("signaller", signal_later, NULL);
  gint64 end_us = g_get_monotonic_time () + 5 * G_USEC_PER_SEC;

  g_mutex_lock (&mutex);
  while (!is_ready && g_cond_wait_until (&cond, &mutex, end_us))
    ;
  g_print ("ready %d\n", is_ready);
  end_us = g_get_monotonic_time () + 2 * G_USEC_PER_SEC;
  while (g_cond_wait_until (&cond, &mutex, end_us))
    ;
  g_mutex_unlock (&mutex);
  g_print ("timeout\n");
  g_thread_join (thread);
  return 0;
}
