/* Brings a sleep() of its own. */
#include <stdio.h>

unsigned
sleep (unsigned seconds)
{
  return 0 * seconds;
}

int
main (void)
{
  printf ("slept %u\n", sleep (3));
  return 0;
}
