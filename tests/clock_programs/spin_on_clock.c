/* Waits for 3 s by looking at the clock. */
#include <glib.h>

int
main (void)
{
  gint64 end_us = g_get_monotonic_time () + 3 * G_USEC_PER_SEC;

  while (g_get_monotonic_time () < end_us)
    ;
  g_print ("done\n");
  return 0;
}
