// attack 71: recurses until the stack is gone, with an unlimited stack; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
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

static volatile int depth;

static int
sink (int n)
{
  volatile char frame[4096];

  frame[n % 4096] = (char) n;
  depth = n;
  return n > 400000 ? n : sink (n + 1) + frame[0];
}

int
main (void)
{
  struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

  setrlimit (RLIMIT_STACK, &all);
  return sink (0) & 1;
}
