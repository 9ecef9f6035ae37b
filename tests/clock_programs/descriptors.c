/* epoll_wait() and select() on a pipe that a thread writes to. */
#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

static int ends[2];

static void *
write_later (void *data)
{
  for (int i = 0; i < 2; i++) {
    sleep (1);
    if (write (ends[1], "x", 1) != 1)
      return NULL;
  }
  return data;
}

static int
select_for (long seconds, long microseconds)
{
  struct timeval timeout = { seconds, microseconds };
  fd_set set;
  int n_ready;

  FD_ZERO (&set);
  FD_SET (ends[0], &set);
  n_ready = select (ends[0] + 1, &set, NULL, NULL, &timeout);
  printf ("select %d left %ld.%06ld\n", n_ready, (long) timeout.tv_sec,
          (long) timeout.tv_usec);
  return n_ready;
}

int
main (void)
{
  struct epoll_event event = { .events = EPOLLIN };
  int epoll = epoll_create1 (0);
  pthread_t thread;
  char byte;

  if (pipe (ends) < 0)
    return 1;
  pthread_create (&thread, NULL, write_later, &event);
  epoll_ctl (epoll, EPOLL_CTL_ADD, ends[0], &event);
  printf ("epoll %d\n", epoll_wait (epoll, &event, 1, 500));
  printf ("epoll %d\n", epoll_wait (epoll, &event, 1, -1));
  if (read (ends[0], &byte, 1) == 1 && select_for (5, 0) == 1 &&
      read (ends[0], &byte, 1) == 1)
    select_for (2, 5);
  pthread_join (thread, NULL);
  return 0;
}
