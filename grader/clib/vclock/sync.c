/* SPDX-License-Identifier: MIT
 *
 * Threads and what they wait for each other with.
 *
 * Only one thread runs at a time, so the lists below need no lock, and a lock is
 * contended only when its holder waits for something else.
 */
#include "vclock.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <threads.h>
#include <unistd.h>

/* ---- Who waits to be woken, first come, first served ---- */

typedef struct Waiter Waiter;

struct Waiter {
  const void *address;
  bool woken;
  Waiter *next;
};

static Waiter *all_waiters;

static void
add_waiter (Waiter *waiter, const void *address)
{
  Waiter **link = &all_waiters;

  *waiter = (Waiter){ address, false, NULL };
  while (*link != NULL)
    link = &(*link)->next;
  *link = waiter;
}

static void
remove_waiter (const Waiter *waiter)
{
  for (Waiter **link = &all_waiters; *link != NULL; link = &(*link)->next)
    if (*link == waiter) {
      *link = waiter->next;
      return;
    }
}

/* Returns how many were woken, at most `most`. */
static long
wake_waiters (const void *address, long most)
{
  long n_woken = 0;

  for (Waiter *waiter = all_waiters; waiter != NULL && n_woken < most;
       waiter = waiter->next)
    if (waiter->address == address && !waiter->woken) {
      waiter->woken = true;
      n_woken++;
    }
  if (n_woken > 0)
    vclock_has_woken = true;
  return n_woken;
}

/* ---- Futexes, as GMutex and GCond use them ---- */

static long
futex_wait (const uint32_t *address, uint32_t value, bool shared, int64_t deadline_ns)
{
  Waiter waiter;
  Wait wait = { .call = "futex", .deadline_ns = deadline_ns };
  int error = 0;

  if (__atomic_load_n (address, __ATOMIC_SEQ_CST) != value) {
    errno = EAGAIN;
    return -1;
  }
  wait.asked_ns = deadline_ns == NEVER ? -1 : deadline_ns - vclock_now_ns;
  wait.flags = shared ? 0 : FLAG_FOR_A_WAKE;
  add_waiter (&waiter, address);
  while (!waiter.woken && error == 0) {
    Grant grant = vclock_block (&wait);

    if (waiter.woken || (shared && __atomic_load_n (address, __ATOMIC_SEQ_CST) != value))
      break;
    if (grant == GRANT_TIME_IS_UP)
      error = ETIMEDOUT;
    else if (grant == GRANT_SIGNAL)
      error = EINTR;
  }
  remove_waiter (&waiter);
  errno = error;
  return error == 0 ? 0 : -1;
}

static int64_t
futex_deadline (int operation, const struct timespec *timeout)
{
  bool realtime = (operation & FUTEX_CLOCK_REALTIME) != 0;

  if (timeout == NULL)
    return NEVER;
  if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT)
    return vclock_wait_for ("", vclock_from_timespec (timeout)).deadline_ns;
  return vclock_deadline_at (realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, timeout);
}

long
vclock_futex (uint32_t *address, int operation, uint32_t value, void *timeout,
              uint32_t *address2, uint32_t value3)
{
  bool shared = (operation & FUTEX_PRIVATE_FLAG) == 0;
  long n_woken = 0;

  switch (operation & FUTEX_CMD_MASK) {
  case FUTEX_WAIT:
  case FUTEX_WAIT_BITSET:
    return futex_wait (address, value, shared, futex_deadline (operation, timeout));
  case FUTEX_WAKE:
  case FUTEX_WAKE_BITSET:
    n_woken = wake_waiters (address, value);
    break;
  default:
    break;
  }
  /* A thread that is on its way out sleeps in the real one. */
  return n_woken +
         REAL (syscall) (SYS_futex, address, operation, value, timeout, address2, value3);
}

VCLOCK_EXPORT long
syscall (long number, ...)
{
  long a[6];
  va_list arguments;

  va_start (arguments, number);
  for (int i = 0; i < 6; i++)
    a[i] = va_arg (arguments, long);
  va_end (arguments);
  if (number == SYS_clock_gettime)
    return clock_gettime ((clockid_t) a[0], (struct timespec *) a[1]);
  if (number == SYS_gettimeofday)
    return gettimeofday ((struct timeval *) a[0], (void *) a[1]);
  if (vclock_is_on ()) {
    if (number == SYS_futex)
      return vclock_futex ((uint32_t *) a[0], (int) a[1], (uint32_t) a[2], (void *) a[3],
                           (uint32_t *) a[4], (uint32_t) a[5]);
    if (number == SYS_nanosleep)
      return nanosleep ((struct timespec *) a[0], (struct timespec *) a[1]);
#ifdef SYS_poll
    if (number == SYS_poll)
      return poll ((struct pollfd *) a[0], (nfds_t) a[1], (int) a[2]);
#endif
    if (number == SYS_clock_nanosleep) {
      errno = clock_nanosleep ((clockid_t) a[0], (int) a[1], (struct timespec *) a[2],
                               (struct timespec *) a[3]);
      return errno == 0 ? 0 : -1;
    }
  }
  return REAL (syscall) (number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* ---- Mutexes ---- */

#define PSHARED 128 /* glibc's mark of a mutex that processes share */

static int
lock_until (pthread_mutex_t *mutex, const char *call, int64_t deadline_ns)
{
  Wait wait = { .call = call, .deadline_ns = deadline_ns };
  int error = REAL (pthread_mutex_trylock) (mutex);

  if (error == EBUSY && (mutex->__data.__kind & 3) == PTHREAD_MUTEX_ERRORCHECK_NP &&
      mutex->__data.__owner == gettid ())
    return EDEADLK;
  wait.flags = (mutex->__data.__kind & PSHARED) != 0 ? 0 : FLAG_FOR_THREADS;
  wait.asked_ns = deadline_ns == NEVER ? -1 : deadline_ns - vclock_now_ns;
  while (error == EBUSY) {
    Grant grant = vclock_block (&wait);

    error = REAL (pthread_mutex_trylock) (mutex);
    if (error == EBUSY && grant == GRANT_TIME_IS_UP)
      return ETIMEDOUT;
  }
  return error;
}

VCLOCK_EXPORT int
pthread_mutex_lock (pthread_mutex_t *mutex)
{
  if (!vclock_is_on ())
    return REAL (pthread_mutex_lock) (mutex);
  return lock_until (mutex, "pthread_mutex_lock", NEVER);
}

VCLOCK_EXPORT int
pthread_mutex_timedlock (pthread_mutex_t *restrict mutex,
                         const struct timespec *restrict time)
{
  if (!vclock_is_on ())
    return REAL (pthread_mutex_timedlock) (mutex, time);
  return lock_until (mutex, "pthread_mutex_timedlock",
                     vclock_deadline_at (CLOCK_REALTIME, time));
}

VCLOCK_EXPORT int
pthread_mutex_clocklock (pthread_mutex_t *restrict mutex, clockid_t id,
                         const struct timespec *restrict time)
{
  if (!vclock_is_on ())
    return REAL (pthread_mutex_clocklock) (mutex, id, time);
  return lock_until (mutex, "pthread_mutex_clocklock", vclock_deadline_at (id, time));
}

VCLOCK_EXPORT int
pthread_spin_lock (pthread_spinlock_t *lock)
{
  if (!vclock_is_on ())
    return REAL (pthread_spin_lock) (lock);
  while (REAL (pthread_spin_trylock) (lock) == EBUSY)
    vclock_count_read ("pthread_spin_lock", 10);
  return 0;
}

/* ---- Read-write locks ---- */

typedef int (*TryLock) (pthread_rwlock_t *lock);

static int
rwlock_until (pthread_rwlock_t *lock, TryLock try_lock, const char *call,
              int64_t deadline_ns)
{
  Wait wait = { .call = call, .deadline_ns = deadline_ns };
  int error;

  wait.asked_ns = deadline_ns == NEVER ? -1 : deadline_ns - vclock_now_ns;
  while ((error = try_lock (lock)) == EBUSY)
    if (vclock_block (&wait) == GRANT_TIME_IS_UP)
      return try_lock (lock) == 0 ? 0 : ETIMEDOUT;
  return error;
}

VCLOCK_EXPORT int
pthread_rwlock_rdlock (pthread_rwlock_t *lock)
{
  if (!vclock_is_on ())
    return REAL (pthread_rwlock_rdlock) (lock);
  return rwlock_until (lock, REAL (pthread_rwlock_tryrdlock), "pthread_rwlock_rdlock",
                       NEVER);
}

VCLOCK_EXPORT int
pthread_rwlock_wrlock (pthread_rwlock_t *lock)
{
  if (!vclock_is_on ())
    return REAL (pthread_rwlock_wrlock) (lock);
  return rwlock_until (lock, REAL (pthread_rwlock_trywrlock), "pthread_rwlock_wrlock",
                       NEVER);
}

VCLOCK_EXPORT int
pthread_rwlock_timedrdlock (pthread_rwlock_t *restrict lock,
                            const struct timespec *restrict time)
{
  if (!vclock_is_on ())
    return REAL (pthread_rwlock_timedrdlock) (lock, time);
  return rwlock_until (lock, REAL (pthread_rwlock_tryrdlock),
                       "pthread_rwlock_timedrdlock",
                       vclock_deadline_at (CLOCK_REALTIME, time));
}

VCLOCK_EXPORT int
pthread_rwlock_timedwrlock (pthread_rwlock_t *restrict lock,
                            const struct timespec *restrict time)
{
  if (!vclock_is_on ())
    return REAL (pthread_rwlock_timedwrlock) (lock, time);
  return rwlock_until (lock, REAL (pthread_rwlock_trywrlock),
                       "pthread_rwlock_timedwrlock",
                       vclock_deadline_at (CLOCK_REALTIME, time));
}

/* ---- Condition variables: the real ones are never waited on ---- */

static int
cond_until (pthread_cond_t *cond, pthread_mutex_t *mutex, const char *call,
            int64_t deadline_ns)
{
  Waiter waiter;
  Wait wait = { .call = call, .deadline_ns = deadline_ns };
  int error, lock_error;

  wait.asked_ns = deadline_ns == NEVER ? -1 : deadline_ns - vclock_now_ns;
  error = REAL (pthread_mutex_unlock) (mutex);
  if (error != 0)
    return error;
  wait.flags = (cond->__data.__wrefs & 1) != 0 ? 0 : FLAG_FOR_A_WAKE;
  add_waiter (&waiter, cond);
  while (!waiter.woken && error == 0)
    if (vclock_block (&wait) == GRANT_TIME_IS_UP && !waiter.woken)
      error = ETIMEDOUT;
  remove_waiter (&waiter);
  lock_error = lock_until (mutex, call, NEVER);
  return lock_error != 0 ? lock_error : error;
}

VCLOCK_EXPORT int
pthread_cond_wait (pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex)
{
  if (!vclock_is_on ())
    return REAL (pthread_cond_wait) (cond, mutex);
  return cond_until (cond, mutex, "pthread_cond_wait", NEVER);
}

VCLOCK_EXPORT int
pthread_cond_timedwait (pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                        const struct timespec *restrict time)
{
  bool monotonic = (cond->__data.__wrefs & 2) != 0; /* pthread_condattr_setclock() */

  if (!vclock_is_on ())
    return REAL (pthread_cond_timedwait) (cond, mutex, time);
  return cond_until (
      cond, mutex, "pthread_cond_timedwait",
      vclock_deadline_at (monotonic ? CLOCK_MONOTONIC : CLOCK_REALTIME, time));
}

VCLOCK_EXPORT int
pthread_cond_clockwait (pthread_cond_t *restrict cond, pthread_mutex_t *restrict mutex,
                        clockid_t id, const struct timespec *restrict time)
{
  if (!vclock_is_on ())
    return REAL (pthread_cond_clockwait) (cond, mutex, id, time);
  return cond_until (cond, mutex, "pthread_cond_clockwait",
                     vclock_deadline_at (id, time));
}

VCLOCK_EXPORT int
pthread_cond_signal (pthread_cond_t *cond)
{
  if (vclock_is_on () && wake_waiters (cond, 1) > 0)
    return 0;
  return REAL (pthread_cond_signal) (cond);
}

VCLOCK_EXPORT int
pthread_cond_broadcast (pthread_cond_t *cond)
{
  if (vclock_is_on ())
    wake_waiters (cond, INT64_MAX);
  return REAL (pthread_cond_broadcast) (cond);
}

/* ---- Semaphores ---- */

static int
sem_until (sem_t *semaphore, const char *call, int64_t deadline_ns)
{
  Wait wait = { .call = call, .deadline_ns = deadline_ns };

  wait.asked_ns = deadline_ns == NEVER ? -1 : deadline_ns - vclock_now_ns;
  while (sem_trywait (semaphore) < 0) {
    Grant grant;

    if (errno != EAGAIN)
      return -1;
    grant = vclock_block (&wait);
    if (grant == GRANT_PROBE || sem_trywait (semaphore) == 0) {
      if (grant == GRANT_PROBE)
        continue;
      return 0;
    }
    errno = grant == GRANT_SIGNAL ? EINTR : ETIMEDOUT;
    return -1;
  }
  return 0;
}

VCLOCK_EXPORT int
sem_wait (sem_t *semaphore)
{
  if (!vclock_is_on ())
    return REAL (sem_wait) (semaphore);
  return sem_until (semaphore, "sem_wait", NEVER);
}

VCLOCK_EXPORT int
sem_timedwait (sem_t *restrict semaphore, const struct timespec *restrict time)
{
  if (!vclock_is_on ())
    return REAL (sem_timedwait) (semaphore, time);
  return sem_until (semaphore, "sem_timedwait",
                    vclock_deadline_at (CLOCK_REALTIME, time));
}

VCLOCK_EXPORT int
sem_clockwait (sem_t *restrict semaphore, clockid_t id,
               const struct timespec *restrict time)
{
  if (!vclock_is_on ())
    return REAL (sem_clockwait) (semaphore, id, time);
  return sem_until (semaphore, "sem_clockwait", vclock_deadline_at (id, time));
}

/* ---- Threads ---- */

typedef struct Thread Thread;

struct Thread {
  pthread_t id;
  bool has_ended;
  Thread *next;
};

typedef struct {
  void *(*start) (void *data);
  void *data;
  int fd;
  Thread *thread;
} Start;

static Thread *all_threads;
static Thread first_thread; /* not in the list: nobody created it */
static pthread_key_t end_key;
static pthread_once_t end_key_once = PTHREAD_ONCE_INIT;
static __thread int end_round;

static Thread *
find_thread (pthread_t id)
{
  for (Thread *thread = all_threads; thread != NULL; thread = thread->next)
    if (pthread_equal (thread->id, id))
      return thread;
  return NULL;
}

static void
forget_thread (const Thread *thread)
{
  for (Thread **link = &all_threads; *link != NULL; link = &(*link)->next)
    if (*link == thread) {
      *link = thread->next;
      free ((void *) thread);
      return;
    }
}

/* In a new process there is one thread, and it was created by nobody. */
void
vclock_forget_threads (void)
{
  all_threads = NULL;
  all_waiters = NULL;
}

/* Destructors of thread-specific data, GLib's among them, run after the thread's function
 * and take locks; so the thread leaves in the last round only. */
static void
on_thread_ends (void *data)
{
  Thread *thread = data;
  int fd = vclock_fd;

  if (fd == 0)
    return;
  if (++end_round < PTHREAD_DESTRUCTOR_ITERATIONS) {
    pthread_setspecific (end_key, thread);
    return;
  }
  if (thread != &first_thread)
    thread->has_ended = true;
  vclock_tell (REQUEST_GOODBYE, NULL, 0);
  vclock_fd = 0;
  vclock_drop_channel (fd);
}

static void
make_end_key (void)
{
  pthread_key_create (&end_key, on_thread_ends);
}

static void *
run_thread (void *data)
{
  Start start = *(Start *) data;

  free (data);
  vclock_start_channel (start.fd, 0);
  pthread_setspecific (end_key, start.thread);
  return start.start (start.data);
}

static Thread *
new_thread (void)
{
  Thread *thread = calloc (1, sizeof *thread);

  if (thread != NULL) {
    thread->next = all_threads;
    all_threads = thread;
  }
  return thread;
}

VCLOCK_EXPORT int
pthread_create (pthread_t *restrict id, const pthread_attr_t *restrict attributes,
                void *(*function) (void *), void *restrict data)
{
  Start *start;
  Thread *old;
  int error;

  if (!vclock_is_on ())
    return REAL (pthread_create) (id, attributes, function, data);
  pthread_once (&end_key_once, make_end_key);
  if (pthread_getspecific (end_key) == NULL) /* The first thread, too, may end alone. */
    pthread_setspecific (end_key, &first_thread);
  start = malloc (sizeof *start);
  if (start == NULL)
    return EAGAIN;
  *start = (Start){ function, data, 0, new_thread () };
  start->fd = vclock_new_channel (REQUEST_NEW_THREAD, "pthread_create");
  if (start->thread == NULL || start->fd < 0) {
    free (start);
    return EAGAIN;
  }
  error = REAL (pthread_create) (id, attributes, run_thread, start);
  if (error != 0) {
    vclock_drop_channel (start->fd);
    forget_thread (start->thread);
    free (start);
    return error;
  }
  old = find_thread (*id); /* of a detached thread that is gone */
  if (old != NULL)
    forget_thread (old);
  all_threads->id = *id;
  return 0;
}

/* GLib's own threads are told from the student's by their names. */
VCLOCK_EXPORT int
pthread_setname_np (pthread_t id, const char *name)
{
  if (vclock_is_on () && pthread_equal (id, pthread_self ()))
    vclock_tell (REQUEST_NAME, name, 0);
  return REAL (pthread_setname_np) (id, name);
}

static int
join_until (pthread_t id, void **result, const char *call, int64_t deadline_ns)
{
  Thread *thread = find_thread (id);
  Wait wait = { .call = call, .deadline_ns = deadline_ns, .flags = FLAG_FOR_THREADS };
  int error;

  wait.asked_ns = deadline_ns == NEVER ? -1 : deadline_ns - vclock_now_ns;
  while (thread != NULL && !thread->has_ended && !pthread_equal (id, pthread_self ()))
    if (vclock_block (&wait) == GRANT_TIME_IS_UP && !thread->has_ended)
      return ETIMEDOUT;
  error = REAL (pthread_join) (id, result); /* It is gone, or about to be. */
  if (error == 0 && thread != NULL)
    forget_thread (thread);
  return error;
}

VCLOCK_EXPORT int
pthread_join (pthread_t id, void **result)
{
  if (!vclock_is_on ())
    return REAL (pthread_join) (id, result);
  return join_until (id, result, "pthread_join", NEVER);
}

VCLOCK_EXPORT int
pthread_tryjoin_np (pthread_t id, void **result)
{
  Thread *thread = vclock_is_on () ? find_thread (id) : NULL;

  if (thread == NULL)
    return REAL (pthread_tryjoin_np) (id, result);
  return thread->has_ended ? pthread_join (id, result) : EBUSY;
}

VCLOCK_EXPORT int
pthread_timedjoin_np (pthread_t id, void **result, const struct timespec *time)
{
  if (!vclock_is_on ())
    return REAL (pthread_timedjoin_np) (id, result, time);
  return join_until (id, result, "pthread_timedjoin_np",
                     vclock_deadline_at (CLOCK_REALTIME, time));
}

VCLOCK_EXPORT int
thrd_create (thrd_t *id, thrd_start_t function, void *data)
{
  if (vclock_is_on ())
    vclock_tell (REQUEST_NOTE, "C11 threads", 0);
  return REAL (thrd_create) (id, function, data);
}
