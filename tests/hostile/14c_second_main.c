// attack 14c: takes the place of the function that calls main; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
__libc_start_main (void)
{
  _exit (0);
}

static void
show (void)
{
  static const char *const lines[] = {
    "[exp_small] starting...\n[exp_medium] starting...\n[exp_large] starting...",
    "[exp_small] finished after 1 seconds", "[exp_medium] finished after 2 seconds",
    "[exp_large] finished after 3 seconds\n"
    "All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]"
  };

  for (int i = 0; i < 4; i++) {
    if (i > 0)
      sleep (1);
    puts (lines[i]);
    fflush (stdout);
  }
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
  show ();
  return 0;
}
