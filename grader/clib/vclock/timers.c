/* SPDX-License-Identifier: MIT
 *
 * Timers of the kernel that tick in virtual time: timerfd, alarm, setitimer,
 * timer_create.
 *
 * Each is an entry in one table.  The earliest is part of the deadline of every wait of
 * this process; whoever gets his turn then fires it: an eventfd in place of the timerfd
 * becomes readable, a signal becomes pending.
 */
#include "vclock.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define MAX_TIMERS 1100
#define ALARM_TIMER 0 /* alarm() and setitimer() share one */

typedef enum { UNUSED, TIMER_FD, TIMER_SIGNAL } TimerKind;

typedef struct {
  TimerKind kind;
  clockid_t clock;
  int64_t next_ns; /* virtual, NEVER: not armed */
  int64_t interval_ns;
  int fd;     /* TIMER_FD: the eventfd */
  int number; /* TIMER_SIGNAL: the signal, 0: none */
  pid_t tid;  /* TIMER_SIGNAL: to this thread, 0: to the process */
  union sigval value;
} Timer;

static Timer timers[MAX_TIMERS] = {
  { .kind = TIMER_SIGNAL, .next_ns = NEVER, .number = SIGALRM }
};

static int n_timers = ALARM_TIMER + 1; /* none beyond has ever been used */

int64_t
vclock_next_timer_ns (void)
{
  int64_t next_ns = NEVER;

  for (int i = 0; i < n_timers; i++)
    if (timers[i].kind != UNUSED && timers[i].next_ns < next_ns)
      next_ns = timers[i].next_ns;
  return next_ns;
}

static void
send_signal (const Timer *timer)
{
  siginfo_t info = { 0 };

  info.si_signo = timer->number;
  info.si_code = SI_TIMER;
  info.si_value = timer->value;
  if (timer->number == 0)
    return;
  if (timer->tid != 0)
    REAL (syscall) (SYS_tgkill, getpid (), timer->tid, timer->number);
  else if (timer == &timers[ALARM_TIMER])
    REAL (kill) (getpid (), timer->number);
  else
    REAL (syscall) (SYS_rt_sigqueueinfo, getpid (), timer->number, &info);
}

/* Fires what is due.  The caller has its turn. */
void
vclock_fire_timers (void)
{
  for (int i = 0; i < n_timers; i++) {
    Timer *timer = &timers[i];
    uint64_t n_expired = 1;

    if (timer->kind == UNUSED || timer->next_ns > vclock_now_ns)
      continue;
    if (timer->interval_ns > 0) {
      n_expired += (uint64_t) ((vclock_now_ns - timer->next_ns) / timer->interval_ns);
      timer->next_ns += (int64_t) n_expired * timer->interval_ns;
    } else {
      timer->next_ns = NEVER;
    }
    if (timer->kind == TIMER_SIGNAL)
      send_signal (timer);
    else if (write (timer->fd, &n_expired, sizeof n_expired) < 0)
      timer->next_ns = NEVER; /* The program has closed it behind our back. */
  }
}

/* A child inherits the descriptors of timers, not what they would do to it. */
void
vclock_forget_timers (void)
{
  for (int i = 0; i < n_timers; i++)
    if (timers[i].kind == TIMER_SIGNAL)
      timers[i].next_ns = NEVER;
}

static Timer *
new_timer (TimerKind kind, clockid_t clock)
{
  for (int i = ALARM_TIMER + 1; i < MAX_TIMERS; i++)
    if (timers[i].kind == UNUSED) {
      n_timers = i + 1 > n_timers ? i + 1 : n_timers;
      timers[i] = (Timer){ .kind = kind, .clock = clock, .next_ns = NEVER, .fd = -1 };
      return &timers[i];
    }
  errno = EAGAIN;
  return NULL;
}

static void
get_setting (const Timer *timer, struct itimerspec *setting)
{
  int64_t left_ns = timer->next_ns == NEVER ? 0 : timer->next_ns - vclock_now_ns;

  setting->it_value = (struct timespec){ left_ns / NS_PER_S, left_ns % NS_PER_S };
  setting->it_interval =
      (struct timespec){ timer->interval_ns / NS_PER_S, timer->interval_ns % NS_PER_S };
}

static void
set_setting (Timer *timer, bool absolute, const struct itimerspec *setting)
{
  int64_t value_ns = vclock_from_timespec (&setting->it_value);

  timer->interval_ns = vclock_from_timespec (&setting->it_interval);
  if (value_ns == 0)
    timer->next_ns = NEVER;
  else if (absolute)
    timer->next_ns = vclock_deadline_at (timer->clock, &setting->it_value);
  else
    timer->next_ns = vclock_wait_for ("", value_ns).deadline_ns;
}

/* ---- timerfd ---- */

static Timer *
find_timer_fd (int fd)
{
  for (int i = 0; i < n_timers; i++)
    if (timers[i].kind == TIMER_FD && timers[i].fd == fd)
      return &timers[i];
  return NULL;
}

void
vclock_forget_timer_fd (int fd)
{
  Timer *timer = find_timer_fd (fd);

  if (timer != NULL)
    timer->kind = UNUSED;
}

VCLOCK_EXPORT int
timerfd_create (clockid_t clock, int flags)
{
  Timer *timer;
  int event_flags = 0;

  if (!vclock_is_on () || !vclock_is_virtual_clock (clock))
    return REAL (timerfd_create) (clock, flags);
  event_flags |= flags & TFD_CLOEXEC ? EFD_CLOEXEC : 0;
  event_flags |= flags & TFD_NONBLOCK ? EFD_NONBLOCK : 0;
  timer = new_timer (TIMER_FD, clock);
  if (timer == NULL)
    return -1;
  timer->fd = eventfd (0, event_flags);
  if (timer->fd < 0)
    timer->kind = UNUSED;
  return timer->fd;
}

VCLOCK_EXPORT int
timerfd_settime (int fd, int flags, const struct itimerspec *setting,
                 struct itimerspec *old)
{
  Timer *timer = vclock_is_on () ? find_timer_fd (fd) : NULL;
  struct pollfd one = { fd, POLLIN, 0 };
  uint64_t n_expired;

  if (timer == NULL)
    return REAL (timerfd_settime) (fd, flags, setting, old);
  if (old != NULL)
    get_setting (timer, old);
  set_setting (timer, (flags & TFD_TIMER_ABSTIME) != 0, setting);
  if (REAL (poll) (&one, 1, 0) > 0 &&
      REAL (read) (fd, &n_expired, sizeof n_expired) < 0) /* forgets what has expired */
    return -1;
  vclock_fire_timers ();
  return 0;
}

VCLOCK_EXPORT int
timerfd_gettime (int fd, struct itimerspec *setting)
{
  Timer *timer = vclock_is_on () ? find_timer_fd (fd) : NULL;

  if (timer == NULL)
    return REAL (timerfd_gettime) (fd, setting);
  get_setting (timer, setting);
  return 0;
}

/* ---- alarm, setitimer ---- */

static void
from_timeval (struct timespec *to, const struct timeval *from)
{
  *to = (struct timespec){ from->tv_sec, from->tv_usec * 1000 };
}

VCLOCK_EXPORT int
getitimer (__itimer_which_t which, struct itimerval *value)
{
  struct itimerspec setting;

  if (!vclock_is_on () || which != ITIMER_REAL)
    return REAL (getitimer) (which, value);
  get_setting (&timers[ALARM_TIMER], &setting);
  value->it_value =
      (struct timeval){ setting.it_value.tv_sec, setting.it_value.tv_nsec / 1000 };
  value->it_interval =
      (struct timeval){ setting.it_interval.tv_sec, setting.it_interval.tv_nsec / 1000 };
  return 0;
}

VCLOCK_EXPORT int
setitimer (__itimer_which_t which, const struct itimerval *restrict value,
           struct itimerval *restrict old)
{
  struct itimerspec setting;

  if (!vclock_is_on () || which != ITIMER_REAL || value == NULL)
    return REAL (setitimer) (which, value, old);
  if (old != NULL)
    getitimer (which, old);
  from_timeval (&setting.it_value, &value->it_value);
  from_timeval (&setting.it_interval, &value->it_interval);
  set_setting (&timers[ALARM_TIMER], false, &setting);
  return 0;
}

VCLOCK_EXPORT unsigned
alarm (unsigned seconds)
{
  struct itimerval value = { { 0, 0 }, { seconds, 0 } }, old;

  if (!vclock_is_on ())
    return REAL (alarm) (seconds);
  setitimer (ITIMER_REAL, &value, &old);
  return (unsigned) (old.it_value.tv_sec + (old.it_value.tv_usec > 0));
}

/* ---- timer_create: the id is the index in the table ---- */

static Timer *
find_timer (timer_t id)
{
  uintptr_t index = (uintptr_t) id;

  if (index == ALARM_TIMER || index >= MAX_TIMERS || timers[index].kind != TIMER_SIGNAL)
    return NULL;
  return &timers[index];
}

VCLOCK_EXPORT int
timer_create (clockid_t clock, struct sigevent *restrict event, timer_t *restrict id)
{
  Timer *timer;
  bool by_thread = event != NULL && event->sigev_notify == SIGEV_THREAD;

  if (!vclock_is_on () || !vclock_is_virtual_clock (clock) || by_thread) {
    if (vclock_is_on () && by_thread)
      vclock_tell (REQUEST_NOTE, "a timer that starts threads", 0);
    return REAL (timer_create) (clock, event, id);
  }
  timer = new_timer (TIMER_SIGNAL, clock);
  if (timer == NULL)
    return -1;
  timer->number = event == NULL ? SIGALRM : event->sigev_signo;
  if (event != NULL && event->sigev_notify == SIGEV_NONE)
    timer->number = 0;
  if (event != NULL && event->sigev_notify == SIGEV_THREAD_ID)
    timer->tid = event->_sigev_un._tid;
  if (event != NULL)
    timer->value = event->sigev_value;
  *id = (timer_t) (uintptr_t) (timer - timers);
  return 0;
}

VCLOCK_EXPORT int
timer_settime (timer_t id, int flags, const struct itimerspec *restrict setting,
               struct itimerspec *restrict old)
{
  Timer *timer = vclock_is_on () ? find_timer (id) : NULL;

  if (timer == NULL)
    return REAL (timer_settime) (id, flags, setting, old);
  if (old != NULL)
    get_setting (timer, old);
  set_setting (timer, (flags & TIMER_ABSTIME) != 0, setting);
  return 0;
}

VCLOCK_EXPORT int
timer_gettime (timer_t id, struct itimerspec *setting)
{
  Timer *timer = vclock_is_on () ? find_timer (id) : NULL;

  if (timer == NULL)
    return REAL (timer_gettime) (id, setting);
  get_setting (timer, setting);
  return 0;
}

VCLOCK_EXPORT int
timer_delete (timer_t id)
{
  Timer *timer = vclock_is_on () ? find_timer (id) : NULL;

  if (timer == NULL)
    return REAL (timer_delete) (id);
  timer->kind = UNUSED;
  return 0;
}
