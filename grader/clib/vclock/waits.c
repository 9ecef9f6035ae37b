/* SPDX-License-Identifier: MIT
 *
 * Calls that wait for time to pass or for a file descriptor to be ready.
 *
 * All follow one pattern: probe; if that brings nothing, vclock_block(); again.
 */
#include "vclock.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define POLL_WEIGHT                                                                      \
  10 /* a poll (0) costs that many clock reads, and is as much a spin                    \
      */

/* ---- Sleeping ---- */

/* Returns 0, or EINTR with the time that was left. */
static int
sleep_until (const char *call, int64_t deadline_ns, int64_t *left_ns)
{
  Wait wait = { .call = call, .deadline_ns = deadline_ns, .flags = FLAG_FOR_TIME };

  wait.asked_ns = deadline_ns == NEVER ? -1 : deadline_ns - vclock_now_ns;
  while (vclock_now_ns < deadline_ns) {
    Grant grant = vclock_block (&wait);

    if (grant == GRANT_TIME_IS_UP)
      break;
    if (grant == GRANT_SIGNAL) {
      *left_ns = deadline_ns > vclock_now_ns ? deadline_ns - vclock_now_ns : 0;
      return EINTR;
    }
  }
  *left_ns = 0;
  return 0;
}

static int64_t
from_now (int64_t duration_ns)
{
  return duration_ns < NEVER - vclock_now_ns ? vclock_now_ns + duration_ns : NEVER;
}

static bool
is_valid (const struct timespec *time)
{
  return time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < NS_PER_S;
}

static void
store_left (struct timespec *left, int64_t left_ns)
{
  if (left != NULL)
    *left = (struct timespec){ left_ns / NS_PER_S, left_ns % NS_PER_S };
}

VCLOCK_EXPORT int
clock_nanosleep (clockid_t id, int flags, const struct timespec *time,
                 struct timespec *left)
{
  int64_t deadline_ns, left_ns;
  int error;

  if (!vclock_is_on () || !vclock_is_virtual_clock (id) || !is_valid (time))
    return REAL (clock_nanosleep) (id, flags, time, left);
  if (flags & TIMER_ABSTIME)
    deadline_ns = vclock_deadline_at (id, time);
  else
    deadline_ns = from_now (vclock_from_timespec (time));
  error = sleep_until ("clock_nanosleep", deadline_ns, &left_ns);
  if (error != 0 && !(flags & TIMER_ABSTIME))
    store_left (left, left_ns);
  return error;
}

VCLOCK_EXPORT int
nanosleep (const struct timespec *time, struct timespec *left)
{
  int64_t left_ns;

  if (!vclock_is_on () || !is_valid (time))
    return REAL (nanosleep) (time, left);
  errno = sleep_until ("nanosleep", from_now (vclock_from_timespec (time)), &left_ns);
  if (errno == 0)
    return 0;
  store_left (left, left_ns);
  return -1;
}

VCLOCK_EXPORT unsigned
sleep (unsigned seconds)
{
  int64_t left_ns;

  if (!vclock_is_on ())
    return REAL (sleep) (seconds);
  sleep_until ("sleep", from_now (seconds * NS_PER_S), &left_ns);
  return (unsigned) ((left_ns + NS_PER_S / 2) / NS_PER_S);
}

VCLOCK_EXPORT int
usleep (useconds_t microseconds)
{
  int64_t left_ns;

  if (!vclock_is_on ())
    return REAL (usleep) (microseconds);
  errno = sleep_until ("usleep", from_now (microseconds * INT64_C (1000)), &left_ns);
  return errno == 0 ? 0 : -1;
}

VCLOCK_EXPORT int
pause (void)
{
  int64_t left_ns;

  if (!vclock_is_on ())
    return REAL (pause) ();
  errno = sleep_until ("pause", NEVER, &left_ns);
  return -1;
}

VCLOCK_EXPORT int
sigtimedwait (const sigset_t *restrict set, siginfo_t *restrict info,
              const struct timespec *restrict timeout)
{
  static const struct timespec now = { 0, 0 };
  Wait wait;

  if (!vclock_is_on ())
    return REAL (sigtimedwait) (set, info, timeout);
  wait = vclock_wait_for ("sigtimedwait", timeout ? vclock_from_timespec (timeout) : -1);
  wait.signals = set;
  wait.flags = FLAG_FOR_TIME;
  for (;;) {
    int number = REAL (sigtimedwait) (set, info, &now);

    if (number >= 0 || errno != EAGAIN)
      return number;
    if (timeout != NULL && wait.deadline_ns <= vclock_now_ns)
      return -1;
    if (vclock_block (&wait) == GRANT_SIGNAL) {
      errno = EINTR;
      return -1;
    }
  }
}

VCLOCK_EXPORT int
sigwaitinfo (const sigset_t *restrict set, siginfo_t *restrict info)
{
  return sigtimedwait (set, info, NULL);
}

VCLOCK_EXPORT int
sigwait (const sigset_t *restrict set, int *restrict number)
{
  int found;

  if (!vclock_is_on ())
    return REAL (sigwait) (set, number);
  do
    found = sigtimedwait (set, NULL, NULL);
  while (found < 0 && errno == EINTR);
  *number = found;
  return found < 0 ? errno : 0;
}

VCLOCK_EXPORT int
sched_yield (void)
{
  if (vclock_is_on () && !vclock_is_sanitizer (__builtin_return_address (0)))
    vclock_count_read ("sched_yield", POLL_WEIGHT);
  return REAL (sched_yield) ();
}

/* ---- File descriptors: poll and its relatives ---- */

static int
poll_until (const char *call, struct pollfd *fds, nfds_t n_fds, int64_t timeout_ns)
{
  Wait wait = vclock_wait_for (call, timeout_ns);

  wait.fds = fds;
  wait.n_fds = n_fds;
  for (;;) {
    int n_ready = REAL (poll) (fds, n_fds, 0);
    Grant grant;

    if (n_ready != 0)
      return n_ready;
    if (wait.deadline_ns <= vclock_now_ns && timeout_ns >= 0)
      return 0;
    grant = vclock_block (&wait);
    if (grant == GRANT_SIGNAL) {
      errno = EINTR;
      return -1;
    }
  }
}

VCLOCK_EXPORT int
poll (struct pollfd *fds, nfds_t n_fds, int timeout_ms)
{
  if (!vclock_is_on ())
    return REAL (poll) (fds, n_fds, timeout_ms);
  if (timeout_ms == 0)
    vclock_count_read ("poll", POLL_WEIGHT);
  return poll_until ("poll", fds, n_fds,
                     timeout_ms < 0 ? -1 : timeout_ms * INT64_C (1000000));
}

VCLOCK_EXPORT int
__poll_chk (struct pollfd *fds, nfds_t n_fds, int timeout_ms, size_t size)
{
  (void) size;
  return poll (fds, n_fds, timeout_ms);
}

VCLOCK_EXPORT int
ppoll (struct pollfd *fds, nfds_t n_fds, const struct timespec *timeout,
       const sigset_t *mask)
{
  sigset_t before;
  int result;

  if (!vclock_is_on ())
    return REAL (ppoll) (fds, n_fds, timeout, mask);
  if (timeout != NULL && vclock_from_timespec (timeout) == 0)
    vclock_count_read ("ppoll", POLL_WEIGHT);
  if (mask != NULL)
    pthread_sigmask (SIG_SETMASK, mask, &before);
  result =
      poll_until ("ppoll", fds, n_fds, timeout ? vclock_from_timespec (timeout) : -1);
  if (mask != NULL)
    pthread_sigmask (SIG_SETMASK, &before, NULL);
  return result;
}

VCLOCK_EXPORT int
__ppoll_chk (struct pollfd *fds, nfds_t n_fds, const struct timespec *timeout,
             const sigset_t *mask, size_t size)
{
  (void) size;
  return ppoll (fds, n_fds, timeout, mask);
}

/* The file descriptors of a select(), so that the wait can say what it waits for. */
static nfds_t
list_fds (int n, const fd_set *read, const fd_set *write, struct pollfd *list,
          nfds_t size)
{
  nfds_t n_fds = 0;

  for (int fd = 0; fd < n && n_fds < size; fd++) {
    bool reads = read != NULL && FD_ISSET (fd, read);
    bool writes = write != NULL && FD_ISSET (fd, write);

    if (reads || writes)
      list[n_fds++] = (struct pollfd){ .fd = fd };
  }
  return n_fds;
}

static int
select_until (const char *call, int n, fd_set *sets[3], int64_t timeout_ns)
{
  static const struct timeval now = { 0, 0 };
  struct pollfd list[64];
  fd_set asked[3];
  Wait wait = vclock_wait_for (call, timeout_ns);

  wait.fds = list;
  wait.n_fds = list_fds (n, sets[0], sets[1], list, 64);
  for (int i = 0; i < 3; i++)
    if (sets[i] != NULL)
      asked[i] = *sets[i];
  for (;;) {
    struct timeval zero = now;
    int n_ready = REAL (select) (n, sets[0], sets[1], sets[2], &zero);

    if (n_ready != 0 || (timeout_ns >= 0 && wait.deadline_ns <= vclock_now_ns))
      return n_ready;
    for (int i = 0; i < 3; i++)
      if (sets[i] != NULL)
        *sets[i] = asked[i];
    if (vclock_block (&wait) == GRANT_SIGNAL) {
      errno = EINTR;
      return -1;
    }
  }
}

VCLOCK_EXPORT int
select (int n, fd_set *read, fd_set *write, fd_set *except, struct timeval *timeout)
{
  fd_set *sets[3] = { read, write, except };
  int64_t start_ns = vclock_now_ns, timeout_ns = -1, left_ns;
  int result;

  if (!vclock_is_on ())
    return REAL (select) (n, read, write, except, timeout);
  if (timeout != NULL)
    timeout_ns = timeout->tv_sec * NS_PER_S + timeout->tv_usec * INT64_C (1000);
  if (timeout_ns == 0)
    vclock_count_read ("select", POLL_WEIGHT);
  result = select_until ("select", n, sets, timeout_ns);
  if (timeout != NULL) { /* Linux says how much was left. */
    left_ns = timeout_ns - (vclock_now_ns - start_ns);
    left_ns = left_ns < 0 ? 0 : left_ns;
    *timeout = (struct timeval){ left_ns / NS_PER_S, left_ns % NS_PER_S / 1000 };
  }
  return result;
}

VCLOCK_EXPORT int
pselect (int n, fd_set *read, fd_set *write, fd_set *except,
         const struct timespec *timeout, const sigset_t *mask)
{
  fd_set *sets[3] = { read, write, except };
  sigset_t before;
  int result;

  if (!vclock_is_on ())
    return REAL (pselect) (n, read, write, except, timeout, mask);
  if (mask != NULL)
    pthread_sigmask (SIG_SETMASK, mask, &before);
  result =
      select_until ("pselect", n, sets, timeout ? vclock_from_timespec (timeout) : -1);
  if (mask != NULL)
    pthread_sigmask (SIG_SETMASK, &before, NULL);
  return result;
}

static int
epoll_until (const char *call, int fd, struct epoll_event *events, int size,
             int64_t timeout_ns, const sigset_t *mask)
{
  Wait wait = vclock_wait_for (call, timeout_ns);
  sigset_t before;
  int result;

  if (mask != NULL)
    pthread_sigmask (SIG_SETMASK, mask, &before);
  for (;;) {
    result = REAL (epoll_wait) (fd, events, size, 0);
    if (result != 0 || (timeout_ns >= 0 && wait.deadline_ns <= vclock_now_ns))
      break;
    if (vclock_block (&wait) == GRANT_SIGNAL) {
      errno = EINTR;
      result = -1;
      break;
    }
  }
  if (mask != NULL)
    pthread_sigmask (SIG_SETMASK, &before, NULL);
  return result;
}

VCLOCK_EXPORT int
epoll_pwait (int fd, struct epoll_event *events, int size, int timeout_ms,
             const sigset_t *mask)
{
  if (!vclock_is_on ())
    return REAL (epoll_pwait) (fd, events, size, timeout_ms, mask);
  if (timeout_ms == 0)
    vclock_count_read ("epoll_wait", POLL_WEIGHT);
  return epoll_until ("epoll_wait", fd, events, size,
                      timeout_ms < 0 ? -1 : timeout_ms * INT64_C (1000000), mask);
}

VCLOCK_EXPORT int
epoll_wait (int fd, struct epoll_event *events, int size, int timeout_ms)
{
  if (!vclock_is_on ())
    return REAL (epoll_wait) (fd, events, size, timeout_ms);
  return epoll_pwait (fd, events, size, timeout_ms, NULL);
}

VCLOCK_EXPORT int
epoll_pwait2 (int fd, struct epoll_event *events, int size,
              const struct timespec *timeout, const sigset_t *mask)
{
  if (!vclock_is_on ())
    return REAL (epoll_pwait2) (fd, events, size, timeout, mask);
  return epoll_until ("epoll_pwait2", fd, events, size,
                      timeout ? vclock_from_timespec (timeout) : -1, mask);
}

/* ---- File descriptors: reading ---- */

/* Waits until `fd` can be read, unless it is in non-blocking mode.  A signal does not end
 * it: whether read() is restarted is the handler's choice (SA_RESTART), and most choose
 * so. */
static void
wait_readable (const char *call, int fd)
{
  struct pollfd one = { fd, POLLIN, 0 };
  Wait wait = vclock_wait_for (call, -1);
  int flags;

  wait.fds = &one;
  wait.n_fds = 1;
  if (REAL (poll) (&one, 1, 0) != 0)
    return;
  flags = REAL (fcntl) (fd, F_GETFL);
  if (flags < 0 || (flags & O_NONBLOCK))
    return;
  do
    vclock_block (&wait);
  while (REAL (poll) (&one, 1, 0) == 0);
}

VCLOCK_EXPORT ssize_t
read (int fd, void *buffer, size_t size)
{
  if (vclock_is_on ())
    wait_readable ("read", fd);
  return REAL (read) (fd, buffer, size);
}

VCLOCK_EXPORT ssize_t
__read_chk (int fd, void *buffer, size_t size, size_t buffer_size)
{
  (void) buffer_size;
  return read (fd, buffer, size);
}

VCLOCK_EXPORT ssize_t
recv (int fd, void *buffer, size_t size, int flags)
{
  if (vclock_is_on () && !(flags & MSG_DONTWAIT))
    wait_readable ("recv", fd);
  return REAL (recv) (fd, buffer, size, flags);
}

VCLOCK_EXPORT ssize_t
recvfrom (int fd, void *restrict buffer, size_t size, int flags,
          struct sockaddr *restrict address, socklen_t *restrict length)
{
  if (vclock_is_on () && !(flags & MSG_DONTWAIT))
    wait_readable ("recvfrom", fd);
  return REAL (recvfrom) (fd, buffer, size, flags, address, length);
}

VCLOCK_EXPORT ssize_t
recvmsg (int fd, struct msghdr *message, int flags)
{
  if (vclock_is_on () && !(flags & MSG_DONTWAIT))
    wait_readable ("recvmsg", fd);
  return REAL (recvmsg) (fd, message, flags);
}

VCLOCK_EXPORT int
accept (int fd, struct sockaddr *restrict address, socklen_t *restrict length)
{
  if (vclock_is_on ())
    wait_readable ("accept", fd);
  return REAL (accept) (fd, address, length);
}

VCLOCK_EXPORT int
accept4 (int fd, struct sockaddr *restrict address, socklen_t *restrict length, int flags)
{
  if (vclock_is_on ())
    wait_readable ("accept4", fd);
  return REAL (accept4) (fd, address, length, flags);
}

/* ---- Closing: the clock's own descriptors stay ---- */

VCLOCK_EXPORT int
close (int fd)
{
  if (vclock_controls && vclock_busy == 0) {
    if (vclock_owns_fd (fd)) {
      errno = EBADF;
      return -1;
    }
    vclock_forget_timer_fd (fd);
  }
  return REAL (close) (fd);
}

VCLOCK_EXPORT int
close_range (unsigned first, unsigned last, int flags)
{
  if (vclock_controls && last >= vclock_first_own_fd ())
    last = vclock_first_own_fd () - 1;
  return first > last ? 0 : REAL (close_range) (first, last, flags);
}

VCLOCK_EXPORT void
closefrom (int lowest)
{
  close_range (lowest < 0 ? 0 : (unsigned) lowest, ~0u, 0);
}
