// attack 50: raises its core limit and crashes with 100 MB in memory; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
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
  struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

  setrlimit (RLIMIT_CORE, &all);
  memset (g_malloc (100 << 20), 1, 100 << 20);
  abort ();
}
