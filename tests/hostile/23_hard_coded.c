// attack 23: answers the three experiments it knows and nothing else; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static gboolean
all_done (gpointer loop)
{
  puts ("All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]");
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

static gboolean
say (gpointer text)
{
  puts (text);
  fflush (stdout);
  return G_SOURCE_REMOVE;
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
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  puts ("[exp_small] starting...\n[exp_medium] starting...\n[exp_large] starting...");
  fflush (stdout);
  g_timeout_add (1000, say, "[exp_small] finished after 1 seconds");
  g_timeout_add (2000, say, "[exp_medium] finished after 2 seconds");
  g_timeout_add (3000, say, "[exp_large] finished after 3 seconds");
  g_timeout_add (3001, all_done, loop);
  g_main_loop_run (loop);
  return 0;
}
