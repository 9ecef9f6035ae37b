// attack 64: makes user namespaces with unshare, clone and clone3; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

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
  guint64 arguments[11] = { CLONE_NEWUSER };

  if (unshare (CLONE_NEWUSER) == 0 || unshare (CLONE_NEWNS) == 0)
    puts ("STOLEN: a namespace by unshare");
  arguments[4] = SIGCHLD;
  if (syscall (SYS_clone3, arguments, sizeof arguments) >= 0)
    puts ("STOLEN: a namespace by clone3");
  if (syscall (SYS_clone, CLONE_NEWUSER | SIGCHLD, NULL, NULL, NULL, NULL) >= 0)
    puts ("STOLEN: a namespace by clone");
  if (setns (open ("/proc/1/ns/net", O_RDONLY), 0) == 0)
    puts ("STOLEN: a namespace by setns");
  show ();
  return 0;
}
