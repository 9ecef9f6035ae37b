/* A main loop that nobody quits. */
#include <glib.h>

int
main (void)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  g_print ("running\n");
  g_main_loop_run (loop);
  return 0;
}
