// attack 10: prints the summaries of well-known test frameworks; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int
main (void)
{
  puts ("100%: Checks: 18, Failures: 0, Errors: 0");
  puts ("TAP version 13\n1..18\nok 1 - all");
  puts ("{\"schema\": 1, \"verdict\": \"pass\", \"score\": 100, \"max_score\": 100}");
  puts ("verdict: pass\nscore: 100 / 100");
  return 0;
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
