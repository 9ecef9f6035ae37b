// attack 15e: overrides write and printf so that only expected text gets out; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t
write (int fd, const void *data, size_t size)
{
  static const char text[] = "[exp_small] starting...\n";

  syscall (SYS_write, 1, text, sizeof text - 1);
  return (ssize_t) size;
}

int
g_vasprintf (char **text, const char *format, va_list args)
{
  *text = g_strdup ("result pass");
  return 11;
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
