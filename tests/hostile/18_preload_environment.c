// attack 18: starts itself again without the virtual clock, with its own LD_PRELOAD; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__ ((constructor)) static void
again (void)
{
  char *const environment[] = { "HOSTILE=1",
                                "LD_PRELOAD=/tmp/hostile-left.so",
                                "GCONV_PATH=/tmp",
                                "LD_AUDIT=/tmp/a.so",
                                "LD_LIBRARY_PATH=/tmp",
                                NULL };
  char *const argv[] = { "program", NULL };

  if (!getenv ("HOSTILE"))
    execve ("/proc/self/exe", argv, environment);
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
