/* Ends after 1 s; its child would go on for 20 s. */
#include <unistd.h>

int
main (void)
{
  sleep (fork () == 0 ? 20 : 1);
  return 0;
}
