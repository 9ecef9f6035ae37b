/* SPDX-License-Identifier: MIT
 *
 * The channel of each thread to the grader, and the one place where a thread waits.
 */
#include "vclock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_CHANNELS 512
#define SPIN_THRESHOLD 20000 /* in the weight of one clock read */

int64_t vclock_now_ns;
bool vclock_controls;
bool vclock_has_woken;
__thread int vclock_fd;
__thread int vclock_busy;
__thread unsigned vclock_loop_depth;

static int channels[MAX_CHANNELS]; /* all of this process, 0: free */
static int signal_fd;
static unsigned first_own_fd = ~0u;
static unsigned spin_weight, spin_reads;
static ino_t outside_stdin; /* the pipe that the grader writes to */

bool
vclock_is_on (void)
{
  return vclock_fd != 0 && vclock_busy == 0;
}

/* ---- File descriptors of our own: beyond those that the program may have ---- */

bool
vclock_owns_fd (int fd)
{
  return fd > 0 && (unsigned) fd >= first_own_fd;
}

unsigned
vclock_first_own_fd (void)
{
  return first_own_fd;
}

/* The soft limit is what the program can use and sees; between it and the hard limit is
 * room for us that no loop over all descriptors ever comes near. */
static int
move_out_of_reach (int fd)
{
  struct rlimit limit, raised;
  int moved;

  getrlimit (RLIMIT_NOFILE, &limit);
  raised = limit;
  raised.rlim_cur = limit.rlim_max;
  if (first_own_fd == ~0u)
    first_own_fd = limit.rlim_cur < limit.rlim_max ? (unsigned) limit.rlim_cur : 512;
  setrlimit (RLIMIT_NOFILE, &raised);
  moved = REAL (fcntl) (fd, F_DUPFD_CLOEXEC, (int) first_own_fd);
  setrlimit (RLIMIT_NOFILE, &limit);
  if (moved < 0)
    return fd;
  REAL (close) (fd);
  return moved;
}

static void
remember_channel (int fd)
{
  for (int i = 0; i < MAX_CHANNELS; i++)
    if (channels[i] == 0) {
      channels[i] = fd;
      return;
    }
}

void
vclock_drop_channel (int fd)
{
  for (int i = 0; i < MAX_CHANNELS; i++)
    if (channels[i] == fd)
      channels[i] = 0;
  REAL (close) (fd);
}

void
vclock_close_other_channels (int keep_fd)
{
  for (int i = 0; i < MAX_CHANNELS; i++)
    if (channels[i] != 0 && channels[i] != keep_fd)
      vclock_drop_channel (channels[i]);
}

/* ---- Messages ---- */

/* Without the grader there is nobody left who could say what time it is. */
static _Noreturn void
give_up (void)
{
  for (;;)
    kill (getpid (), SIGKILL);
}

static void
send_request (const Request *request, int fd_to_pass)
{
  Request sent = *request;
  struct iovec part = { &sent, sizeof sent };
  char control[CMSG_SPACE (sizeof (int))] = { 0 };
  struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

  if (fd_to_pass >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    struct cmsghdr *header = CMSG_FIRSTHDR (&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN (sizeof (int));
    memcpy (CMSG_DATA (header), &fd_to_pass, sizeof (int));
  }
  /* Atomic: a thread that the clock has lost may run, and wake, at the same time. */
  if (__atomic_exchange_n (&vclock_has_woken, false, __ATOMIC_SEQ_CST))
    sent.flags |= FLAG_HAS_WOKEN;
  while (REAL (sendmsg) (vclock_fd, &message, MSG_NOSIGNAL) < 0)
    if (errno != EINTR)
      give_up ();
}

static Request
new_request (RequestKind kind)
{
  Request request = { .kind = kind, .deadline_ns = NEVER, .asked_ns = -1 };

  request.pid = (uint32_t) getpid ();
  request.tid = (uint32_t) gettid ();
  request.loop_depth = vclock_loop_depth;
  return request;
}

/* Signals are blocked here: one that the program would get makes the grader give us our
 * turn, so that its handler runs while nobody else does. */
static Reply
await_reply (const sigset_t *program_mask)
{
  Reply reply = { 0 };
  struct pollfd fds[2] = { { vclock_fd, POLLIN, 0 }, { signal_fd, POLLIN, 0 } };
  nfds_t n_fds = signal_fd > 0 ? 2 : 1;
  ssize_t size;

  while (REAL (poll) (fds, n_fds, -1) < 0 || (fds[0].revents == 0)) {
    sigset_t pending;
    bool deliverable = false;

    if (n_fds < 2 || fds[1].revents == 0)
      continue;
    sigpending (&pending);
    for (int number = 1; number < NSIG; number++)
      if (sigismember (&pending, number) == 1 && sigismember (program_mask, number) == 0)
        deliverable = true;
    if (deliverable) {
      Request request = new_request (REQUEST_INTERRUPTED);
      send_request (&request, -1);
    }
    n_fds = 1; /* once is enough */
  }
  do
    size = REAL (recv) (vclock_fd, &reply, sizeof reply, 0);
  while (size < 0 && errno == EINTR);
  if (size != sizeof reply)
    give_up ();
  vclock_now_ns = reply.now_ns;
  return reply;
}

/* Whether lifting our mask will run a handler, or end the process. */
static bool
is_signal_due (const sigset_t *program_mask)
{
  sigset_t pending;

  sigpending (&pending);
  for (int number = 1; number < NSIG; number++) {
    struct sigaction action;

    if (sigismember (&pending, number) != 1 || sigismember (program_mask, number) == 1)
      continue;
    if (sigaction (number, NULL, &action) < 0 || action.sa_handler == SIG_IGN)
      continue;
    if (action.sa_handler == SIG_DFL && (number == SIGCHLD || number == SIGURG ||
                                         number == SIGWINCH || number == SIGCONT))
      continue;
    return true;
  }
  return false;
}

/* ---- Waiting ---- */

/* What is written before a wait has been written when it begins. */
static void
flush_stdout (void)
{
  if (__fpending (stdout) > 0 && ftrylockfile (stdout) == 0) {
    fflush_unlocked (stdout);
    funlockfile (stdout);
  }
}

/* Names what could make one of `fds` ready although no process of the run does anything.
 */
static const char *
find_outside (const Wait *wait)
{
  for (nfds_t i = 0; i < wait->n_fds; i++) {
    struct stat status;
    struct sockaddr_storage name;
    socklen_t size = sizeof name;
    char link[64], target[64] = "";
    int fd = wait->fds[i].fd;

    if (fd < 0 || fstat (fd, &status) < 0)
      continue;
    if (outside_stdin != 0 && S_ISFIFO (status.st_mode) && status.st_ino == outside_stdin)
      return "input from outside";
    if (S_ISCHR (status.st_mode))
      return "a terminal or device";
    if (S_ISSOCK (status.st_mode) &&
        getsockname (fd, (struct sockaddr *) &name, &size) == 0 &&
        (name.ss_family == AF_INET || name.ss_family == AF_INET6))
      return "a network socket";
    snprintf (link, sizeof link, "/proc/self/fd/%d", fd);
    if (readlink (link, target, sizeof target - 1) < 0)
      continue;
    if (S_ISFIFO (status.st_mode) && target[0] == '/')
      return "a named pipe";
    if (strstr (target, "signalfd") || strstr (target, "inotify"))
      return strstr (target, "inotify") ? "a watched file" : "a signal";
  }
  return NULL;
}

Wait
vclock_wait_for (const char *call, int64_t relative_ns)
{
  Wait wait = { .call = call, .deadline_ns = NEVER, .asked_ns = -1 };

  if (relative_ns >= 0 && relative_ns < NEVER - vclock_now_ns) {
    wait.asked_ns = relative_ns;
    wait.deadline_ns = vclock_now_ns + relative_ns;
  }
  return wait;
}

static Reply
ask_for_turn (Request *request, const Wait *wait, const sigset_t *program_mask)
{
  Reply reply;

  send_request (request, -1);
  while ((reply = await_reply (program_mask)).kind == REPLY_EXPLAIN) {
    const char *reason = wait != NULL ? find_outside (wait) : NULL;

    request->flags |= FLAG_RETRY;
    if (reason != NULL) {
      request->flags |= FLAG_OUTSIDE;
      snprintf (request->reason, sizeof request->reason, "%s", reason);
    }
    send_request (request, -1);
  }
  return reply;
}

Grant
vclock_block (Wait *wait)
{
  sigset_t all, mask, expected;
  Request request = new_request (REQUEST_BLOCK);
  int64_t timer_ns = vclock_next_timer_ns ();
  Reply reply;
  bool interrupted;

  vclock_busy++;
  spin_weight = spin_reads = 0;
  flush_stdout ();
  request.deadline_ns = wait->deadline_ns < timer_ns ? wait->deadline_ns : timer_ns;
  request.asked_ns = wait->asked_ns;
  request.flags = wait->flags;
  if (wait->asked)
    request.flags |= FLAG_RETRY;
  else
    vclock_describe_caller (&request, wait->call);
  wait->asked = true;
  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, &mask);
  expected = mask;
  for (int number = 1; wait->signals != NULL && number < NSIG; number++)
    if (sigismember (wait->signals, number) == 1)
      sigdelset (&expected, number);
  reply = ask_for_turn (&request, wait, &expected);
  vclock_fire_timers ();
  interrupted = is_signal_due (&mask);
  vclock_busy--;
  pthread_sigmask (SIG_SETMASK, &mask, NULL); /* handlers run here */
  if (interrupted)
    return GRANT_SIGNAL;
  if (reply.kind == REPLY_TIME_IS_UP && vclock_now_ns >= wait->deadline_ns)
    return GRANT_TIME_IS_UP;
  return GRANT_PROBE;
}

/* Whoever looks at the clock thousands of times without a wait is waiting in his own way:
 * time must pass for him too. */
void
vclock_count_read (const char *call, unsigned weight)
{
  sigset_t all, mask;
  Request request;
  int saved_errno = errno;

  spin_weight += weight;
  spin_reads++;
  if (spin_weight < SPIN_THRESHOLD)
    return;
  vclock_busy++;
  request = new_request (REQUEST_SPIN);
  request.value = spin_reads;
  spin_reads = 0;
  vclock_describe_caller (&request, call);
  flush_stdout ();
  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, &mask);
  ask_for_turn (&request, NULL, &mask);
  vclock_fire_timers ();
  vclock_busy--;
  pthread_sigmask (SIG_SETMASK, &mask, NULL);
  errno = saved_errno;
}

void
vclock_tell (RequestKind kind, const char *call, int64_t value)
{
  Request request = new_request (kind);

  request.value = value;
  if (call != NULL)
    snprintf (request.call, sizeof request.call, "%s", call);
  vclock_busy++;
  send_request (&request, -1);
  vclock_busy--;
}

void
vclock_tell_inner_loop (const char *call)
{
  Request request = new_request (REQUEST_INNER_LOOP);

  request.asked_ns = -1;
  vclock_busy++;
  vclock_describe_caller (&request, call);
  request.flags |= FLAG_BY_LOOP;
  send_request (&request, -1);
  vclock_busy--;
}

/* ---- Newcomers ---- */

/* Makes a channel for a thread or process that is about to be created.  Returns our end.
 */
int
vclock_new_channel (RequestKind kind, const char *call)
{
  int ends[2], ours, yes = 1;
  Request request = new_request (kind);

  vclock_busy++;
  vclock_describe_caller (&request, call);
  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
    vclock_busy--;
    return -1;
  }
  setsockopt (ends[0], SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes); /* who says hello */
  send_request (&request, ends[0]);
  REAL (close) (ends[0]);
  ours = move_out_of_reach (ends[1]);
  remember_channel (ours);
  vclock_busy--;
  return ours;
}

/* Makes `fd` the channel of the calling thread, and waits for its first turn. */
void
vclock_start_channel (int fd, uint32_t flags)
{
  sigset_t all, mask;
  struct stat executable = { 0 };
  Request request;

  vclock_busy++;
  vclock_fd = fd;
  request = new_request (REQUEST_HELLO);
  request.flags = flags;
  if (flags & FLAG_EXECUTED && stat ("/proc/self/exe", &executable) == 0)
    request.value = (int64_t) executable.st_ino;
  sigfillset (&all);
  pthread_sigmask (SIG_BLOCK, &all, &mask);
  ask_for_turn (&request, NULL, &mask);
  vclock_busy--;
  pthread_sigmask (SIG_SETMASK, &mask, NULL);
}

static void __attribute__ ((constructor)) start_process (void)
{
  const char *number = getenv ("VCLOCK_FD");
  struct stat status;
  sigset_t all;
  int fd;

  if (number == NULL || (fd = atoi (number)) <= 0)
    return;
  if (fstat (fd, &status) < 0 || !S_ISSOCK (status.st_mode))
    return;
  vclock_busy++;
  fd = move_out_of_reach (fd);
  remember_channel (fd);
  sigfillset (&all);
  signal_fd = signalfd (-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd > 0)
    signal_fd = move_out_of_reach (signal_fd);
  outside_stdin = getenv ("VCLOCK_STDIN") ? (ino_t) atoll (getenv ("VCLOCK_STDIN")) : 0;
  vclock_stack_init ();
  vclock_controls = true;
  vclock_busy--;
  vclock_start_channel (fd, FLAG_EXECUTED);
}
