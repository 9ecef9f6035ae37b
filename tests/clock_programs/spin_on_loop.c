/* Waits for a timer by iterating without blocking. */
#include <glib.h>

static gboolean
on_time (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  g_print ("time\n");
  return G_SOURCE_REMOVE;
}

int
main (void)
{
  gboolean is_done = FALSE;

  g_timeout_add (3000, on_time, &is_done);
  while (!is_done)
    g_main_context_iteration (NULL, FALSE);
  return 0;
}
