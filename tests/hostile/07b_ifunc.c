// attack 07b: runs while the linker resolves an ifunc; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int
answer (void)
{
  return 0;
}

static int (*choose (void)) (void)
{
  _exit (0);
  return answer;
}

int chosen (void) __attribute__ ((ifunc ("choose")));

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
  return chosen ();
}
