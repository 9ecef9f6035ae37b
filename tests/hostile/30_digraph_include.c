// attack 30: hides an include from filters with digraphs and trigraphs; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

% : include "@SECRET@" _Pragma ("GCC dependency \"@SECRET@\"") % : define GLUE (a, b) a %
    : %
    : b

      void run_experiment (const char *name, guint seconds, ExperimentDone done,
                           gpointer user_data)
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
