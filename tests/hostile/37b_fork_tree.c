// attack 37b: forks in a tree, each child before it dies, to outrun the killer; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
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

static void
grow (int depth)
{
  for (int i = 0; i < 2 && depth > 0; i++)
    if (fork () == 0) {
      alarm (30);
      setsid ();
      grow (depth - 1);
      sleep (30);
      _exit (0);
    }
}

int
main (void)
{
  alarm (40); /* should everything else fail; and a tree of depth 8 ends at 511 */
  prctl (PR_SET_NAME, "hostile-left");
  grow (8);
  sleep (30);
  return 0;
}
