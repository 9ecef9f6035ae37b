// attack 40b: spreads 2 GB over 16 processes, each of them modest; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
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
  prctl (PR_SET_NAME, "hostile-left");
  for (int i = 0; i < 16; i++)
    if (fork () == 0) {
      alarm (30);
      memset (g_malloc (128 << 20), 1, 128 << 20);
      sleep (30);
      _exit (0);
    }
  sleep (8);
  return 0;
}
