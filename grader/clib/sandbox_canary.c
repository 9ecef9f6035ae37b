/* SPDX-License-Identifier: MIT
 *
 * The canary: tries from inside the box what a student's program must not be able to do.
 *
 *   sandbox_canary TCP-PORT GRADER-PID SECRET...
 *
 * Writes one line for each wall, "<wall> holds" or "<wall> open: <how>".  The parent has
 * opened the port on the host's loopback, lives at that process id, and can itself read
 * the secrets, so that each attempt would succeed without a sandbox.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESS_LIMIT 16
#define FORKS_AT_MOST 48

static void
report (const char *wall, const char *hole)
{
  if (hole)
    printf ("%s open: %s\n", wall, hole);
  else
    printf ("%s holds\n", wall);
}

/* Counts how many children it gets with a limit: none means that others are counted too.
 */
static void
try_fork (void)
{
  const struct rlimit limit = { PROCESS_LIMIT, PROCESS_LIMIT };
  pid_t children[FORKS_AT_MOST];
  int n = 0;

  fflush (stdout);
  if (setrlimit (RLIMIT_NPROC, &limit) < 0)
    report ("fork", "no limit could be set");
  for (; n < FORKS_AT_MOST && (children[n] = fork ()) >= 0; n++)
    if (children[n] == 0) {
      pause ();
      _exit (0);
    }
  for (int i = 0; i < n; i++) {
    kill (children[i], SIGKILL);
    waitpid (children[i], NULL, 0);
  }
  report ("fork", n < PROCESS_LIMIT ? NULL : "more processes than the limit");
  report ("count", n >= PROCESS_LIMIT / 2 ? NULL : "processes outside are counted too");
}

static void
try_network (const char *port)
{
  struct sockaddr_in host = { .sin_family = AF_INET,
                              .sin_port = htons ((uint16_t) atoi (port)),
                              .sin_addr = { htonl (INADDR_LOOPBACK) } };
  struct sockaddr_in world = { .sin_family = AF_INET,
                               .sin_port = htons (53),
                               .sin_addr = { htonl (0xc0000201) } }; /* 192.0.2.1 */
  int tcp = socket (AF_INET, SOCK_STREAM, 0);
  int udp = socket (AF_INET, SOCK_DGRAM, 0);
  const char *hole = NULL;

  /* Connecting a datagram socket sends nothing: it asks whether there is a route. */
  if (udp >= 0 && connect (udp, (struct sockaddr *) &world, sizeof world) == 0)
    hole = "there is a route to the world";
  if (tcp >= 0 && connect (tcp, (struct sockaddr *) &host, sizeof host) == 0)
    hole = "the host's loopback answers";
  report ("network", hole);
}

static void
try_read (char **secrets)
{
  const char *hole = NULL;

  for (; *secrets; secrets++)
    if (open (*secrets, O_RDONLY) >= 0)
      hole = *secrets;
  report ("read", hole);
}

static void
try_write (char **places)
{
  const char *hole = NULL;
  char path[4096];

  for (; *places; places++) {
    snprintf (path, sizeof path, "%s/canary-%d", *places, (int) getpid ());
    if (open (path, O_WRONLY | O_CREAT | O_EXCL, 0600) >= 0) {
      unlink (path);
      hole = *places;
    }
  }
  report ("write", hole);
}

static void
try_signal (pid_t grader)
{
  /* A lower number than ours may be a process of the box by chance. */
  bool reached = grader > getpid () && kill (grader, 0) == 0;

  report ("signal", reached ? "the grader can be signalled" : NULL);
}

int
main (int argc, char **argv)
{
  char *places[] = { "", "/usr", "/etc", "/usr/bin", "/dev", "/var/lib", NULL };

  if (argc < 4)
    return 2;
  alarm (10);
  try_network (argv[1]);
  try_signal (atoi (argv[2]));
  try_read (argv + 3);
  try_write (places);
  report ("root", geteuid () == 0 ? "runs as root" : NULL);
  report ("nesting", unshare (CLONE_NEWUSER) == 0 ? "new user namespaces" : NULL);
  try_fork ();
  puts ("end");
  return 0;
}
