// attack 67b: makes system calls through the i386 and x32 doors; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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
#ifdef __x86_64__
  pid_t child = fork ();

  if (child == 0) {
    long result;

    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20) : "memory"); /* i386 getpid */
    _exit (result > 0 ? 42 : 0);
  }
  int status = 0;
  waitpid (child, &status, 0);
  if (WIFEXITED (status) && WEXITSTATUS (status) == 42)
    puts ("STOLEN: i386 system calls");
  child = fork ();
  if (child == 0)
    _exit (syscall (0x40000000 + SYS_getpid) > 0 ? 42 : 0);
  waitpid (child, &status, 0);
  if (WIFEXITED (status) && WEXITSTATUS (status) == 42)
    puts ("STOLEN: x32 system calls");
#endif
  show ();
  return 0;
}
