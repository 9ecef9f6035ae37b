// attack 45: prints a byte every 50 ms to look alive; expected: marks lost
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
  alarm (60);
  for (int i = 0; i < 1000; i++) {
    if (write (1, ".", 1) < 0)
      return 1;
    usleep (50000);
  }
  return 0;
}
