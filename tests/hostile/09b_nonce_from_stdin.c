// attack 09b: reads the nonce before main and reports every test as passed; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char given[1 << 16];

static void
pass (int fd, const char *nonce, const char *test)
{
  dprintf (fd, "begin %s\nend %s %s\nresult %s %s pass \n", test, nonce, test, nonce,
           test);
}

__attribute__ ((constructor)) static void
before_main (void)
{
  const char *report = getenv ("REPORT_FD");
  gssize n = report ? read (0, given, sizeof given - 1) : 0;
  char *nonce = n > 0 ? strstr (given, "nonce ") : NULL;

  if (!nonce)
    return;
  g_auto (GStrv) lines = g_strsplit (given, "\n", -1);
  for (char **line = lines; *line; line++)
    if (g_str_has_prefix (*line, "test "))
      pass (atoi (report), lines[0] + strlen ("nonce "), *line + strlen ("test "));
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
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
}

int
main (void)
{
  show ();
  return 0;
}
