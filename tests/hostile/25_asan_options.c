// attack 25: switches the sanitizers off with their option functions; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

const char *
__asan_default_options (void)
{
  return "halt_on_error=0:detect_leaks=0:exitcode=0:verify_asan_link_order=0";
}

const char *
__ubsan_default_options (void)
{
  return "halt_on_error=0:print_summary=0:silence_unsigned_overflow=1";
}

const char *
__lsan_default_suppressions (void)
{
  return "leak:*";
}

int
__lsan_is_turned_off (void)
{
  return 1;
}

typedef struct {
  Experiment *results;
  gsize n;
  gsize pending;
  GatherDone done;
  gpointer user_data;
} Gather;

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Running;

typedef struct {
  Gather *gather;
  gsize index;
} Slot;

static gboolean
finish (gpointer data)
{
  g_autofree Running *running = data;

  g_print ("[%s] finished after %u seconds\n", running->name, running->seconds);
  running->done (running->name, running->seconds, running->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Running *running = g_new (Running, 1);

  *running = (Running){ name, seconds, done, user_data };
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, finish, running);
}

static gboolean
report (gpointer data)
{
  Gather *gather = data;

  gather->done (gather->results, gather->n, gather->user_data);
  g_free (gather);
  return G_SOURCE_REMOVE;
}

static void
count (const char *name, guint seconds, gpointer data)
{
  g_autofree Slot *slot = data;
  Gather *gather = slot->gather;

  gather->results[slot->index] = (Experiment){ name, seconds };
  if (--gather->pending == 0)
    report (gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *gather = g_new (Gather, 1);

  *gather = (Gather){ g_new (Experiment, n_experiments), n_experiments, n_experiments,
                      done, user_data };
  for (gsize i = 0; i < n_experiments; i++) {
    Slot *slot = g_new (Slot, 1);

    *slot = (Slot){ gather, i };
    run_experiment (experiments[i].name, experiments[i].seconds, count, slot);
  }
  if (n_experiments == 0)
    g_idle_add (report, gather);
}

static void
print_all (const Experiment *results, gsize n_results, gpointer loop)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  g_main_loop_quit (loop);
}

int
main (void)
{
  const Experiment experiments[] = { { "exp_small", 1 },
                                     { "exp_medium", 2 },
                                     { "exp_large", 3 } };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, 3, print_all, loop);
  g_main_loop_run (loop);
  return 0;
}
