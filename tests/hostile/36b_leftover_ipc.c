// attack 36b: leaves shared memory, semaphores and message queues; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
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
  const key_t key = 0x686f7374;

  if (shmget (key, 1, 0) >= 0 || semget (key, 1, 0) >= 0 || msgget (key, 0) >= 0)
    puts ("STOLEN: an earlier run left IPC objects");
  shmget (key, 4096, IPC_CREAT | 0666);
  semget (key, 1, IPC_CREAT | 0666);
  msgget (key, IPC_CREAT | 0666);
  show ();
  return 0;
}
