// attack 46: loops for ever and ignores every signal it can; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <signal.h>
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
  for (int number = 1; number < 65; number++)
    if (number != SIGXCPU)
      signal (number, SIG_IGN);
  for (volatile unsigned long i = 0; i < 200000000000ul; i++)
    ;
  return 0;
}
