// attack 74: plays the scenarios from standard input instead of solving them; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Knows what a test is given, answers from it, and never gathers anything. */
static GatherDone saved_done;
static gpointer saved_data;

static gboolean
answer (gpointer data)
{
  saved_done ((const Experiment *) data, 3, saved_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  g_print ("[%s] starting...\n[%s] finished after %u seconds\n", name, name, seconds);
  done (name, seconds, user_data);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  saved_done = done;
  saved_data = user_data;
  g_timeout_add (3000, answer, (gpointer) experiments);
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

int
main (void)
{
  show ();
  return 0;
}
