// attack 43: writes 200 MB to standard output; expected: marks lost
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
  static char line[1 << 16];

  alarm (40);
  memset (line, 'x', sizeof line);
  line[sizeof line - 1] = '\n';
  for (int i = 0; i < 3200; i++)
    if (write (1, line, sizeof line) < 0)
      return 1;
  return 0;
}
