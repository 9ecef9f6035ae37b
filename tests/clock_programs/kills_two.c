/* Kills two children at 1 s.  The first takes a while to die: it has much memory. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define MUCH (200 << 20)

static pid_t
start_child (size_t bytes)
{
  pid_t pid = fork ();

  if (pid == 0) {
    memset (malloc (bytes), 1, bytes);
    sleep (20);
    _exit (0);
  }
  return pid;
}

int
main (void)
{
  pid_t large = start_child (MUCH), small = start_child (1);

  sleep (1);
  kill (large, SIGKILL);
  kill (small, SIGKILL);
  waitpid (large, NULL, 0);
  puts ("large");
  waitpid (small, NULL, 0);
  puts ("small");
  return 0;
}
