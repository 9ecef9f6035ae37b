// attack 51e: makes the compiler warn 10 000 times; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define W1 { int u; (void) (1 / 0); }
#define W2 W1 W1 W1 W1 W1 W1 W1 W1 W1 W1
#define W3 W2 W2 W2 W2 W2 W2 W2 W2 W2 W2
#define W4 W3 W3 W3 W3 W3 W3 W3 W3 W3 W3
#define W5 W4 W4 W4 W4 W4 W4 W4 W4 W4 W4

static void
show (void)
{
  static const char *const lines[]
      = { "[exp_small] starting...\n[exp_medium] starting...\n[exp_large] starting...",
          "[exp_small] finished after 1 seconds", "[exp_medium] finished after 2 seconds",
          "[exp_large] finished after 3 seconds\n"
          "All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]" };

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
  if (g_random_int () == 1)
    W5
  show ();
  return 0;
}
