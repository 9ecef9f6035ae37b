// attack 34b: opens sockets of families that leave the box; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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
  static const int families[] = { AF_NETLINK,   AF_PACKET, AF_VSOCK,
                                  AF_BLUETOOTH, AF_ALG,    AF_KEY };

  for (gsize i = 0; i < G_N_ELEMENTS (families); i++)
    if (socket (families[i], SOCK_RAW, 0) >= 0 ||
        socket (families[i], SOCK_STREAM, 0) >= 0)
      printf ("STOLEN: a socket of family %d\n", families[i]);
  show ();
  return 0;
}
