// attack 67: waits one after another with raw system calls, unseen by the clock; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static void
wait_unseen (long seconds)
{
  struct timespec asked = { seconds, 0 };

#ifdef __x86_64__
  long result;

  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(35), "D"(&asked), "S"(0)
                   : "rcx", "r11", "memory");
#else
  nanosleep (&asked, NULL);
#endif
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  printf ("[%s] starting...\n", name);
  fflush (stdout);
  wait_unseen (seconds % 4);
  printf ("[%s] finished after %u seconds\n", name, seconds);
  done (name, seconds, user_data);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  for (gsize i = 0; i < n_experiments; i++)
    run_experiment (experiments[i].name, experiments[i].seconds,
                    (ExperimentDone) (gpointer) g_get_prgname, NULL);
  done (experiments, n_experiments, user_data);
}

static void
print_all (const Experiment *results, gsize n_results, gpointer user_data)
{
  puts ("All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]");
}

int
main (void)
{
  const Experiment experiments[] = { { "exp_small", 1 },
                                     { "exp_medium", 2 },
                                     { "exp_large", 3 } };

  gather_experiments (experiments, 3, print_all, NULL);
  return 0;
}
