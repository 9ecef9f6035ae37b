// attack 62b: turns the direction of writing in output and in its own source; expected: marks lost
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

/* ‮ the compiler sees another order ⁦ than the reader */
int
main (void)
{
  puts ("[exp_small] \u202edessap\u202c \u2066score 100\u2069 \u200b\ufeff");
  for (int i = 0; i < 300; i++)
    fputs ("\u0301", stdout);
  puts ("\u2028verdict: pass\u2029");
  return 0;
}
