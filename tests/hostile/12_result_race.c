// attack 12: overwrites results while they are written; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
race (void)
{
  for (int i = 0; i < 2000; i++) {
    int fd = open ("/tmp/results.json", O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd >= 0) {
      if (write (fd, "{\"score\": 100}", 14) < 0)
        return;
      close (fd);
    }
    g_file_set_contents ("/box/bin/results.json", "{\"score\": 100}", -1, NULL);
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
  race ();
  show ();
  return 0;
}
