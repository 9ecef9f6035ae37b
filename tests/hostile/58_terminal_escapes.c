// attack 58: prints escape sequences that rewrite the screen and the title; expected: marks lost
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
  puts ("\033]0;owned\007\033[2J\033[H\033[1;32mPASS 100/100\033[0m");
  puts ("\033]8;;https://example.invalid\007click\033]8;;\007");
  puts ("\033]52;c;cm0gLXJmIC8=\007\033P+q544e\033\\");
  puts ("fail\b\b\b\bpass\rverdict: pass");
  puts ("\302\23331m 8-bit CSI");
  fputs ("\033[?1049h\033[6n\033c\n", stderr);
  return 0;
}
