// attack 07: runs from .preinit_array, before any constructor; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
very_early (void)
{
  static const char report[] = "ok 1 - gather_slowest_first\n1..1\n";

  if (write (1, report, sizeof report - 1) > 0)
    _exit (0);
}

__attribute__ ((section (".preinit_array"),
                used)) static void (*entry) (void) = very_early;

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
