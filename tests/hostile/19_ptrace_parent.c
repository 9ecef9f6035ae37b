// attack 19: traces its parent and writes into its memory; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <unistd.h>

static void
attack (pid_t pid)
{
  char path[64];
  long word = 0;
  struct iovec mine = { &word, sizeof word }, theirs = { (void *) 0x400000, sizeof word };

  if (ptrace (PTRACE_ATTACH, pid, NULL, NULL) == 0)
    printf ("STOLEN: tracing %d\n", (int) pid);
  if (process_vm_writev (pid, &mine, 1, &theirs, 1, 0) >= 0 ||
      process_vm_readv (pid, &mine, 1, &theirs, 1, 0) >= 0)
    printf ("STOLEN: memory of %d\n", (int) pid);
  g_snprintf (path, sizeof path, "/proc/%d/mem", (int) pid);
  if (pid != 1 && open (path, O_RDWR) >= 0) /* process 1 is the box's own */
    printf ("STOLEN: %s\n", path);
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
  attack (getppid ());
  attack (1);
  show ();
  return 0;
}
