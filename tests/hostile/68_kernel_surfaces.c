// attack 68: opens io_uring, bpf, perf, userfaultfd and the kernel log; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
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
  static const long calls[] = {
    SYS_io_uring_setup, SYS_bpf,    SYS_perf_event_open,   SYS_userfaultfd,
    SYS_kcmp,           SYS_syslog, SYS_name_to_handle_at, SYS_fanotify_init
  };
  static char block[256];

  for (gsize i = 0; i < G_N_ELEMENTS (calls); i++)
    if (syscall (calls[i], 3, block, 1, 0, 0, 0) >= 0)
      printf ("STOLEN: system call %ld\n", calls[i]);
  show ();
  return 0;
}
