/* sigwait() and signalfd: signals that are taken, not handled. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <unistd.h>

int
main (void)
{
  sigset_t set;
  struct signalfd_siginfo info;
  struct pollfd one = { .events = POLLIN };
  int number;

  sigemptyset (&set);
  sigaddset (&set, SIGALRM);
  sigprocmask (SIG_BLOCK, &set, NULL);
  alarm (1);
  sigwait (&set, &number);
  printf ("sigwait %d\n", number);
  one.fd = signalfd (-1, &set, 0);
  alarm (1);
  printf ("poll %d\n", poll (&one, 1, -1));
  if (read (one.fd, &info, sizeof info) == sizeof info)
    printf ("signalfd %d\n", (int) info.ssi_signo);
  return 0;
}
