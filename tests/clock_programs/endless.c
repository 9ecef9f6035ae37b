/* A repeating timer, for ever. */
#include <glib.h>

static gboolean
on_tick (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

int
main (void)
{
  g_timeout_add_seconds (1, on_tick, NULL);
  g_main_loop_run (g_main_loop_new (NULL, FALSE));
  return 0;
}
