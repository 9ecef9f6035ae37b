/* SPDX-License-Identifier: MIT
 *
 * The virtual clock's client: a library that is preloaded into the program under test.
 *
 * Theory of operation
 * -------------------
 * Time, and the permission to run, live in the grader (grader/clock.py), outside of the
 * program.  Each thread of each controlled process has a channel to it, a socket. Exactly
 * one thread runs at a time.  A call that would block is replaced by a loop:
 *
 *     probe without blocking;  if it is not ready, ask the grader and wait for the reply
 *
 * and the grader lets the others run, each until it would block too.  When a whole lap
 * has brought no progress, time jumps to the earliest deadline and its owner is told that
 * its time is up.  So time passes in jumps only, and stands still while the program
 * computes. Reading the clock costs no request: the reply to the last request said what
 * time it is.
 *
 * What is covered
 * ---------------
 * Clocks:   clock_gettime gettimeofday time, for all clocks but those of CPU time
 * Waits:    poll ppoll select pselect epoll_wait epoll_pwait epoll_pwait2, nanosleep
 *           clock_nanosleep sleep usleep pause sched_yield, blocking read recv recvfrom
 *           recvmsg accept accept4, sigwait sigwaitinfo sigtimedwait
 * Threads:  pthread_create _join _tryjoin_np _timedjoin_np, mutexes, condition variables,
 *           read-write locks, semaphores, futexes by syscall() (GMutex, GCond)
 * Timers:   timerfd, alarm, setitimer (ITIMER_REAL), timer_create (by signal)
 * Children: fork vfork exec* posix_spawn posix_spawnp system popen GSubprocess, wait* and
 *           waitid; a child that is dynamically linked runs on the same clock
 * Signals:  a handler runs while its thread has the permission to run; the calls that a
 *           signal interrupts return EINTR
 * Spinning: thousands of clock reads, poll (0) or sched_yield without a wait make time
 * pass slowly, so that a busy wait ends, and is on record
 *
 * What is not covered
 * -------------------
 * - Static binaries, system calls by inline assembly, a program's own clock_gettime:
 * nothing here sees them (the grader looks for them beforehand).
 * - Blocking calls that are not in the list (flock, connect, full pipes,
 *   stdio reading from a pipe, POSIX message queues, io_uring): the grader notices a
 * thread asleep in them, lets the others go on, and calls the run inexact.
 * - Waits inside of libc (a contended stdio or malloc lock), getaddrinfo, barriers.
 * - `while (!flag);` without any call: the processor-time limit ends it.
 * - Kernel timers: TCP's delayed acknowledgements, SO_RCVTIMEO, file time stamps.
 * - Timers that notify by a thread (SIGEV_THREAD); overrun counts; process-shared
 *   synchronisation between processes; cancelling a thread that waits for another one.
 * - Processor time: computing costs no virtual time; data races may never show.
 *
 * This is a witness, not a wall: the program shares its address space with this library.
 */
#ifndef VCLOCK_H
#define VCLOCK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define VCLOCK_EXPORT __attribute__ ((visibility ("default")))
#pragma GCC visibility push(hidden)

#define NEVER INT64_MAX
#define NS_PER_S INT64_C (1000000000)

/* Whole seconds, so that g_timeout_add_seconds() has nothing to round. */
#define MONOTONIC_START_NS (INT64_C (10000) * NS_PER_S)
#define REALTIME_START_NS (INT64_C (1700000000) * NS_PER_S)

/* The function that this library hides. */
#define REAL(name)                                                                       \
  ({                                                                                     \
    static __typeof__ (&name) real_;                                                     \
    if (real_ == NULL)                                                                   \
      real_ = (__typeof__ (&name)) dlsym (RTLD_NEXT, #name);                             \
    real_;                                                                               \
  })

/* ---- channel.c: what goes to the grader and back; clock.py has the same structures ----
 */

#define MAX_SITES 10

typedef enum {
  REQUEST_HELLO = 1,    /* a process image or a thread has begun; waits for its turn */
  REQUEST_BLOCK,        /* would block; waits for its turn */
  REQUEST_SPIN,         /* polls instead of waiting; waits for its turn */
  REQUEST_NEW_THREAD,   /* carries the grader's end of the newcomer's channel */
  REQUEST_NEW_PROCESS,  /* likewise */
  REQUEST_GOODBYE,      /* the thread is about to end */
  REQUEST_INTERRUPTED,  /* a signal is pending for a thread that waits */
  REQUEST_KILLED,       /* value: the pid that was sent `call`, 0: a thread of this one */
  REQUEST_NOTE,         /* call: why the run is not exact from here on */
  REQUEST_UNCONTROLLED, /* the image that takes over this process will not say hello */
  REQUEST_LOOPS,        /* value: GMainLoops alive at the end of the process */
  REQUEST_NAME,         /* call: what the thread calls itself */
  REQUEST_INNER_LOOP    /* a main loop begins inside another one: `call` runs it */
} RequestKind;

enum {
  FLAG_RETRY = 1,        /* the same wait as before, probed again in vain */
  FLAG_BY_LOOP = 2,      /* the main loop's own poll */
  FLAG_IN_DISPATCH = 4,  /* from inside a callback of a running main loop */
  FLAG_OUTSIDE = 8,      /* `reason` names what could end the wait from outside */
  FLAG_EXECUTED = 16,    /* hello from a process that has just begun a new image */
  FLAG_FOR_TIME = 32,    /* nobody can end the wait but time and signals */
  FLAG_FOR_THREADS = 64, /* nobody can end it but threads of this process, too */
  FLAG_FOR_AN_END = 128, /* nobody can end it but a child that ends, too */
  FLAG_FOR_A_WAKE = 256, /* nobody can end it but a thread of this process that wakes */
  FLAG_HAS_WOKEN = 512   /* somebody of this process was woken since its last request */
};

typedef struct {
  uint32_t kind;
  uint32_t flags;
  int64_t deadline_ns; /* virtual, NEVER: none */
  int64_t asked_ns;    /* how long the caller asked for, -1: for ever */
  int64_t value;       /* hello: the executable's inode; else see the kind */
  uint32_t pid, tid;
  uint32_t loop_depth;
  uint32_t n_sites;
  uint64_t sites[MAX_SITES]; /* return addresses in the executable, innermost first */
  char call[32];
  char reason[32];
} Request;

typedef enum {
  REPLY_PROBE = 1, /* somebody has run: look again */
  REPLY_TIME_IS_UP,
  REPLY_EXPLAIN /* nobody can run: say what outside could end this wait */
} ReplyKind;

typedef struct {
  uint32_t kind;
  uint32_t unused;
  int64_t now_ns;
} Reply;

/* One blocking call, from its first probe to its end.  `deadline_ns` is virtual. */
typedef struct {
  const char *call;
  int64_t deadline_ns;
  int64_t asked_ns;
  const struct pollfd *fds; /* what it waits for, if that is file descriptors */
  nfds_t n_fds;
  const sigset_t *signals; /* blocked ones that end the wait as well, or NULL */
  uint32_t flags;          /* FLAG_FOR_... */
  bool asked;              /* the grader has been asked before */
} Wait;

typedef enum { GRANT_PROBE, GRANT_TIME_IS_UP, GRANT_SIGNAL } Grant;

extern int64_t vclock_now_ns;    /* virtual time since the first process began */
extern bool vclock_controls;     /* this process is on the virtual clock */
extern bool vclock_has_woken;    /* a thread was, which the grader does not know yet */
extern __thread int vclock_fd;   /* this thread's channel, 0: it is not controlled */
extern __thread int vclock_busy; /* this library's own calls must not be replaced */
extern __thread unsigned vclock_loop_depth;

bool vclock_is_on (void);
Wait vclock_wait_for (const char *call, int64_t relative_ns);
Grant vclock_block (Wait *wait);
void vclock_count_read (const char *call, unsigned weight);
void vclock_tell (RequestKind kind, const char *call, int64_t value);
void vclock_tell_inner_loop (const char *call);
void vclock_start_channel (int fd, uint32_t flags);
int vclock_new_channel (RequestKind kind, const char *call);
void vclock_drop_channel (int fd);
void vclock_close_other_channels (int keep_fd);
bool vclock_owns_fd (int fd);
unsigned vclock_first_own_fd (void);

/* ---- stack.c ---- */
void vclock_stack_init (void);
bool vclock_is_sanitizer (const void *address);
void vclock_describe_caller (Request *request, const char *call);

/* ---- time.c ---- */
bool vclock_is_virtual_clock (clockid_t id);
int64_t vclock_start_of (clockid_t id);
int64_t vclock_from_timespec (const struct timespec *time);
int64_t vclock_deadline_at (clockid_t id, const struct timespec *time);

/* ---- timers.c ---- */
int64_t vclock_next_timer_ns (void);
void vclock_fire_timers (void);
void vclock_forget_timer_fd (int fd);
void vclock_forget_timers (void);

/* ---- sync.c ---- */
long vclock_futex (uint32_t *address, int operation, uint32_t value, void *timeout,
                   uint32_t *address2, uint32_t value3);
void vclock_forget_threads (void);

#pragma GCC visibility pop
#endif
