// attack 42: makes 20 000 empty files and deep folders; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

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
  char name[64];

  alarm (40);
  for (int i = 0; i < 20000; i++) {
    g_snprintf (name, sizeof name, "/tmp/hostile-left-%d", i);
    int fd = open (name, O_CREAT | O_WRONLY, 0600);
    if (fd >= 0)
      close (fd);
  }
  for (int i = 0; i < 2000 && mkdir ("/tmp/d", 0700) == 0 && chdir ("/tmp/d") == 0; i++)
    ;
  show ();
  return 0;
}
