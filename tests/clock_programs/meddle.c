/* Writes nonsense to every socket that it finds, the clock's among them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int
main (void)
{
  char junk[256];
  int n_sent = 0;

  for (int round = 0; round < 50; round++)
    for (int fd = 3; fd < 1024; fd++) {
      for (size_t i = 0; i < sizeof junk; i++)
        junk[i] = (char) (round % 2 == 0 ? rand () : 0);
      n_sent += send (fd, junk, (size_t) (round * 5), MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
    }
  printf ("sent %d\n", n_sent > 0);
  return 0;
}
