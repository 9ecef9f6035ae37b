// attack 36: leaves files where the next submission may find them; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
leave (const char *path)
{
  FILE *file = fopen (path, "r");

  if (file) {
    printf ("STOLEN: an earlier run left %s\n", path);
    fclose (file);
  }
  file = fopen (path, "w");
  if (file) {
    fputs ("answers for the next one\n", file);
    fclose (file);
  }
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
  leave ("/tmp/hostile-left");
  leave ("/dev/shm/hostile-left");
  leave ("/var/tmp/hostile-left");
  leave ("/run/hostile-left");
  leave ("/box/bin/hostile-left");
  leave ("/box/hostile-left");
  leave ("hostile-left");
  show ();
  return 0;
}
