// attack 08: writes result files at every path a grader may read; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
forge (void)
{
  static const char *const paths[] = { "results.json",
                                       "results/results.json",
                                       "/box/results.json",
                                       "report.xml",
                                       "/autograder/results/results.json",
                                       "/grade/results/results.json",
                                       "check.tap",
                                       "/tmp/hostile-left.json",
                                       "../results.json",
                                       "build/results.json" };
  static const char *const text =
      "{\"verdict\": \"pass\", \"score\": 100, \"max_score\": 100}\n";

  g_mkdir_with_parents ("/tmp/results", 0755);
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    g_file_set_contents (paths[i], text, -1, NULL);
  g_setenv ("CK_TAP_LOG_FILE_NAME", "/tmp/hostile-left.tap", TRUE);
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
  forge ();
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  forge ();
}

int
main (void)
{
  forge ();
  show ();
  return 0;
}
