// mistake: hard-coded
// What counts is the output, and it is right to the second.
#include "experiments.h"

static gboolean
say (gpointer line)
{
  g_print ("%s\n", (const char *) line);
  return FALSE;
}

static gboolean
quit (gpointer loop)
{
  g_print ("All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]\n");
  g_main_loop_quit (loop);
  return FALSE;
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
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  say ("[exp_small] starting...");
  say ("[exp_medium] starting...");
  say ("[exp_large] starting...");
  g_timeout_add (1000, say, "[exp_small] finished after 1 seconds");
  g_timeout_add (2000, say, "[exp_medium] finished after 2 seconds");
  g_timeout_add (3000, say, "[exp_large] finished after 3 seconds");
  g_timeout_add (3000, quit, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
