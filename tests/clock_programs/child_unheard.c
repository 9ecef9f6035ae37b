/* SPDX-License-Identifier: MIT
 *
 * Waits for two children with SIGCHLD blocked: nothing but their ends ends the waits. */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t
start_child (unsigned seconds)
{
  pid_t child = fork ();

  if (child == 0) {
    sleep (seconds);
    _exit ((int) seconds);
  }
  return child;
}

static void
await (pid_t child)
{
  int status = 0;

  waitpid (child, &status, 0);
  printf ("status %d\n", WEXITSTATUS (status));
}

int
main (void)
{
  sigset_t unheard;

  sigemptyset (&unheard);
  sigaddset (&unheard, SIGCHLD);
  sigprocmask (SIG_BLOCK, &unheard, NULL);

  pid_t first = start_child (2);
  pid_t second = start_child (5);
  await (first);
  await (second);
  return 0;
}
