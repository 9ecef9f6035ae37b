// attack 61: prints spreadsheet formulas for the class list; expected: marks lost
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
  puts ("=HYPERLINK(\"https://example.invalid/\",\"100\")");
  puts ("+cmd|' /C calc'!A0\n-2+3\n@SUM(1+1)\n\t=1+1");
  puts ("\",100,\"pass\"\n;;;");
  return 0;
}
