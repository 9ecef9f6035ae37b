/* Waits for input from a named pipe that somebody outside writes to. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

int
main (int argc, char **argv)
{
  char buffer[64];
  struct pollfd one = { .events = POLLIN };
  ssize_t size;

  one.fd = open (argv[1], O_RDWR);
  printf ("waiting %d\n", argc);
  poll (&one, 1, -1);
  size = read (one.fd, buffer, sizeof buffer);
  printf ("got %.*s", (int) size, buffer);
  return 0;
}
