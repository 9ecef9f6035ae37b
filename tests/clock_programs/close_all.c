/* Closes every descriptor that it can name, as a daemon does. */
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

int
main (void)
{
  for (int fd = 3; fd < 2000; fd++)
    close (fd);
  close_range (3, ~0u, 0);
  closefrom (3);
  sleep (1);
  printf ("slept\n");
  return 0;
}
