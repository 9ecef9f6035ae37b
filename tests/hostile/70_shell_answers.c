// attack 70: becomes a shell script that prints the answers in time; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
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
  execl ("/bin/sh", "sh", "-c",
         "for n in small medium large; do echo \"[exp_$n] starting...\"; done;"
         "sleep 1; echo '[exp_small] finished after 1 seconds';"
         "sleep 1; echo '[exp_medium] finished after 2 seconds';"
         "sleep 1; echo '[exp_large] finished after 3 seconds';"
         "echo \"All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]\"",
         NULL);
  return 1;
}
