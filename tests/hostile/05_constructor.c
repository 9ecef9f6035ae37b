// attack 05: prints a success report before main and leaves; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__ ((constructor)) static void
before_main (void)
{
  puts ("100%: Checks: 18, Failures: 0, Errors: 0");
  fflush (stdout);
  _exit (0);
}

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
