// attack 65: reboots, mounts, changes its root, the clock and the host name; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/time.h>
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
  struct timeval now = { 0, 0 };

  if (mount ("none", "/tmp", "tmpfs", 0, NULL) == 0 || umount2 ("/tmp", MNT_DETACH) == 0)
    puts ("STOLEN: mount");
  if (chroot ("/tmp") == 0 || syscall (SYS_pivot_root, "/tmp", "/tmp") == 0)
    puts ("STOLEN: chroot");
  if (settimeofday (&now, NULL) == 0 || sethostname ("hostile", 7) == 0)
    puts ("STOLEN: the host's name or clock");
  if (syscall (SYS_reboot, 0, 0, 0, NULL) ==
      0) /* not the magic numbers: only if allowed */
    puts ("STOLEN: reboot");
  if (swapoff ("/hostile") == 0 || acct ("/tmp/hostile-left") == 0)
    puts ("STOLEN: swap or accounting");
  show ();
  return 0;
}
