/* SPDX-License-Identifier: MIT
 *
 * Steps into the box: joins its cgroups, becomes its user, and starts bubblewrap in it,
 * or the program itself where there are no namespaces.
 *
 *   sandbox_launch [OPTION...] --bwrap BWRAP [ITS-ARGUMENT...] -- PROGRAM [ARGUMENT...]
 *   sandbox_launch [OPTION...] --bare [NAME=VALUE...] -- PROGRAM [ARGUMENT...]
 *   sandbox_launch --user UID --kill
 *
 *   --user UID      become this user and group; needs root
 *   --cgroup FILE   a cgroup.procs to join; may be given several times
 *   --ptrace        let the program trace its own processes
 *   --bwrap         bubblewrap's path and arguments follow
 *   --bare          no namespaces: seccomp only; the rest is the whole environment
 *   --kill          kill every process of that user
 *
 * Exit status 125 and one line on stderr when it fails.  It runs before any code of a
 * student's, and is gone (by exec) when that starts.
 */
#define _GNU_SOURCE
#include "seccomp_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FAILED 125
#define BWRAP_OWN_ARGUMENTS 6

static void
fail (const char *what)
{
  dprintf (STDERR_FILENO, "sandbox_launch: %s: %s\n", what, strerror (errno));
  _exit (FAILED);
}

static void
write_file (const char *path, const char *text)
{
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  if (fd < 0 || write (fd, text, strlen (text)) < 0)
    fail (path);
  close (fd);
}

static void
become (const char *user)
{
  uid_t uid = (uid_t) strtoul (user, NULL, 10);

  if (uid == 0) {
    errno = EINVAL;
    fail (user);
  }
  if (setgroups (0, NULL) < 0 || setresgid (uid, uid, uid) < 0 ||
      setresuid (uid, uid, uid) < 0)
    fail (user);
}

/* A file without a name, rewound, that survives exec: how bubblewrap takes long input. */
static int
open_memory (const char *name, const void *data, size_t size)
{
  int fd = memfd_create (name, 0);

  if (fd < 0 || write (fd, data, size) != (ssize_t) size || lseek (fd, 0, SEEK_SET) < 0)
    fail (name);
  return fd;
}

/* Bubblewrap stays visible in the box as process 1: its arguments, which name paths of
 * the host, go through a file instead of the command line. */
static void
run_bwrap (char **arguments, char **program, const SeccompFilter *filter)
{
  char args_fd[16], seccomp_fd[16];
  size_t n_program = 0;
  int memory = memfd_create ("arguments", 0);

  for (char **a = arguments + 1; a != program; a++)
    if (write (memory, *a, strlen (*a) + 1) < 0)
      fail ("arguments");
  if (lseek (memory, 0, SEEK_SET) < 0)
    fail ("arguments");
  snprintf (args_fd, sizeof args_fd, "%d", memory);
  snprintf (seccomp_fd, sizeof seccomp_fd, "%d",
            open_memory ("filter", filter->code, filter->length * sizeof *filter->code));

  for (program++; program[n_program];) /* from the "--" to the end */
    n_program++;
  char *argv[BWRAP_OWN_ARGUMENTS + n_program + 1];
  char *own[BWRAP_OWN_ARGUMENTS] = { "bwrap",     "--args",   args_fd,
                                     "--seccomp", seccomp_fd, "--" };
  memcpy (argv, own, sizeof own);
  memcpy (argv + BWRAP_OWN_ARGUMENTS, program, (n_program + 1) * sizeof *program);
  execv (*arguments, argv);
  fail (*arguments);
}

static void
run_bare (char **environment, char **program, SeccompFilter *filter)
{
  struct sock_fprog code = { (unsigned short) filter->length, filter->code };

  *program = NULL; /* ends the environment, where the "--" was */
  if (prctl (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
      prctl (PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0 ||
      syscall (SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &code) < 0)
    fail ("seccomp");
  environ = environment;
  execvp (program[1], program + 1);
  fail (program[1]);
}

static void
kill_user (const char *user)
{
  become (user); /* kill() below must never be root's */
  if (kill (-1, SIGKILL) < 0 && errno != ESRCH)
    fail ("kill");
  _exit (0);
}

static char **
find_separator (char **arguments)
{
  while (*arguments && strcmp (*arguments, "--") != 0)
    arguments++;
  if (!*arguments || !arguments[1]) {
    errno = EINVAL;
    fail ("no program after --");
  }
  return arguments;
}

int
main (int argc, char **argv)
{
  const char *user = NULL;
  SeccompChoice choice = { false, false };
  SeccompFilter filter;
  int i = 1;

  for (; i < argc && strcmp (argv[i], "--bwrap") && strcmp (argv[i], "--bare"); i++) {
    if (!strcmp (argv[i], "--user") && i + 1 < argc)
      user = argv[++i];
    else if (!strcmp (argv[i], "--cgroup") && i + 1 < argc)
      write_file (argv[++i], "0");
    else if (!strcmp (argv[i], "--ptrace"))
      choice.ptrace = true;
    else if (!strcmp (argv[i], "--kill") && user)
      kill_user (user);
    else
      break;
  }
  if (i == argc || (strcmp (argv[i], "--bwrap") && strcmp (argv[i], "--bare"))) {
    errno = EINVAL;
    fail (i < argc ? argv[i] : "--bwrap or --bare");
  }
  char **separator = find_separator (argv + i);
  write_file ("/proc/self/oom_score_adj", "1000"); /* out of memory: this one first */
  if (user)
    become (user);
  choice.shared = !strcmp (argv[i], "--bare");
  seccomp_filter_build (&filter, choice);
  if (choice.shared)
    run_bare (argv + i + 1, separator, &filter);
  run_bwrap (argv + i + 1, separator, &filter);
}
