// attack 20b: stops itself and its group, to be waited for for ever; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  raise (SIGSTOP);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  raise (SIGSTOP);
}

int
main (void)
{
  kill (0, SIGSTOP);
  raise (SIGSTOP);
  return 0;
}
