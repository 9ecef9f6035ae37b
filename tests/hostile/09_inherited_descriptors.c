// attack 09: writes passes to every open file descriptor; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void
forge (void)
{
  static const char *const tests[] = { "gather_slowest_first", "gather_equal_names",
                                       "gather_equal_seconds", "gather_one",
                                       "gather_a_thousand",    "gather_none",
                                       "loop_stays_responsive" };

  for (int fd = 3; fd < 256; fd++)
    for (gsize i = 0; i < G_N_ELEMENTS (tests); i++) {
      dprintf (fd, "ok %u - %s: Passed\n", (guint) i + 1, tests[i]);
      dprintf (fd, "begin %s\nend 0 %s\nresult 0 %s pass\n", tests[i], tests[i],
               tests[i]);
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
