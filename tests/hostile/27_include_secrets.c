// attack 27: includes files of the host so that the compiler quotes them; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "/etc/shadow"
#include "/etc/hostname"
#include "/root/.bashrc"
#include "@SECRET@"
#include "@CHECKOUT@/solutions/0.5-gather/experiments.c"
#include "/proc/self/environ"
#include "/proc/1/cmdline"

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
  return 0;
}
