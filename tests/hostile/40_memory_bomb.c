// attack 40: allocates and touches 2 GB; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
  alarm (40);
  for (int i = 0; i < 2048; i++) {
    char *block = malloc (1 << 20);

    if (!block)
      return 1;
    memset (block, i, 1 << 20);
  }
  puts ("STOLEN: 2 GB of memory");
  fflush (stdout);
  return 0;
}
