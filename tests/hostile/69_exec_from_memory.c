// attack 69: becomes another program that exists only in memory; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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
  static const char script[] = "#!/bin/sh\nprintf '[exp_small] starting...\\n'\nsleep 3\n"
                               "echo \"All done: [('exp_small', 1)]\"\n";
  int fd = memfd_create ("hostile", 0);
  char *const argv[] = { "program", NULL };
  char *const environment[] = { NULL };

  if (fd >= 0 && write (fd, script, sizeof script - 1) > 0)
    fexecve (fd, argv, environment);
  return 1;
}
