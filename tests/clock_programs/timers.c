/* timerfd, alarm() with a handler, setitimer(), timer_create(). */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t n_alarms;

static void
on_alarm (int number)
{
  n_alarms++;
}

static void
use_timerfd (void)
{
  struct itimerspec setting = { { 0, 500000000 }, { 1, 0 } };
  int fd = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC);
  struct pollfd one = { fd, POLLIN, 0 };
  uint64_t n_expired;

  timerfd_settime (fd, 0, &setting, NULL);
  poll (&one, 1, -1);
  printf ("poll %d\n", (int) one.revents);
  sleep (1);
  if (read (fd, &n_expired, sizeof n_expired) == sizeof n_expired)
    printf ("expired %d\n", (int) n_expired);
  if (read (fd, &n_expired, sizeof n_expired) == sizeof n_expired)
    printf ("expired %d\n", (int) n_expired);
  close (fd);
}

int
main (void)
{
  struct itimerval periodic = { { 0, 300000 }, { 0, 300000 } }, none = { 0 };
  struct itimerspec once = { { 0, 0 }, { 2, 0 } };
  struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
  timer_t timer;

  use_timerfd ();
  signal (SIGALRM, on_alarm);
  signal (SIGUSR1, on_alarm);
  alarm (2);
  printf ("left %u\n", sleep (10));
  setitimer (ITIMER_REAL, &periodic, NULL);
  for (int i = 0; i < 3; i++)
    pause ();
  setitimer (ITIMER_REAL, &none, NULL);
  timer_create (CLOCK_MONOTONIC, &event, &timer);
  timer_settime (timer, 0, &once, NULL);
  printf ("interrupted %d\n", usleep (5000000) < 0 && errno == EINTR);
  timer_delete (timer);
  printf ("alarms %d\n", (int) n_alarms);
  alarm (1);
  signal (SIGALRM, SIG_DFL);
  pause ();
  return 0;
}
