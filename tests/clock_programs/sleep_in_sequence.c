/* Three calls of g_usleep() one after another: 6 s. */
#include <glib.h>

int
main (void)
{
  for (int i = 1; i <= 3; i++) {
    g_usleep (i * G_USEC_PER_SEC);
    g_print ("slept %d\n", i);
  }
  return 0;
}
