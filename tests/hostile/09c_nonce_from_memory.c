// attack 09c: finds the nonce on the heap from inside a test; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* 32 hexadecimal digits with nothing of the kind on either side. */
static char *
find_nonce (char *start, char *end)
{
  for (char *c = start; c + 33 < end; c++) {
    int n = 0;

    while (n < 33 && g_ascii_isxdigit (c[n]))
      n++;
    if (n == 32 && c[32] == '\0')
      return c;
    c += n;
  }
  return NULL;
}

static char *
search_memory (void)
{
  FILE *maps = fopen ("/proc/self/maps", "r");
  char line[512];
  char *found = NULL;

  while (maps && !found && fgets (line, sizeof line, maps)) {
    gulong start, end;
    char mode[8];

    if (sscanf (line, "%lx-%lx %7s", &start, &end, mode) == 3 && mode[0] == 'r' &&
        mode[1] == 'w' && end - start < (64u << 20))
      found = find_nonce ((char *) start, (char *) end);
  }
  if (maps)
    fclose (maps);
  return found;
}

static void
forge (void)
{
  static const char *const tests[] = { "experiment_takes_its_seconds",
                                       "experiment_of_zero_seconds_waits_for_the_loop",
                                       "experiment_of_minutes",
                                       "experiment_with_an_unusual_name",
                                       "experiments_side_by_side",
                                       "gather_slowest_first",
                                       "gather_equal_names",
                                       "gather_equal_seconds",
                                       "gather_one",
                                       "gather_a_thousand",
                                       "gather_none",
                                       "gather_array_is_reused",
                                       "gather_two_in_flight",
                                       "gather_from_a_callback",
                                       "loop_stays_responsive",
                                       "gather_leaves_nothing_behind" };
  const char *report = getenv ("REPORT_FD");
  const char *nonce = report ? search_memory () : NULL;

  for (gsize i = 0; nonce && i < G_N_ELEMENTS (tests); i++)
    dprintf (atoi (report), "begin %s\nend %s %s\nresult %s %s pass \n", tests[i], nonce,
             tests[i], nonce, tests[i]);
  _exit (0);
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
  show ();
  return 0;
}
