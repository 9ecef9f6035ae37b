// mistake: uses-threads
// "To run at the same time each experiment needs a process." The gather is right, and not used.
#include "experiments.h"
#include <sys/wait.h>
#include <unistd.h>

typedef struct
{
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Running;

typedef struct
{
  GPtrArray *slots; /* of Slot, in the order of the arguments */
  guint finished;
  GatherDone done;
  gpointer user_data;
} Gather;

typedef struct
{
  Gather *gather;
  Experiment result;
} Slot;

static gboolean
on_timeout (gpointer user_data)
{
  Running *running = user_data;

  g_print ("[%s] finished after %u seconds\n", running->name, running->seconds);
  running->done (running->name, running->seconds, running->user_data);
  g_free (running);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Running *running = g_new0 (Running, 1);

  running->name = name;
  running->seconds = seconds;
  running->done = done;
  running->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (1000 * seconds, on_timeout, running);
}

static gboolean
report (gpointer user_data)
{
  Gather *gather = user_data;
  guint n = gather->slots->len;
  Experiment *results = g_new (Experiment, n);

  for (guint i = 0; i < n; i++)
    {
      Slot *slot = g_ptr_array_index (gather->slots, i);
      results[i] = slot->result;
    }
  gather->done (results, n, gather->user_data);

  g_free (results);
  g_ptr_array_unref (gather->slots);
  g_free (gather);
  return G_SOURCE_REMOVE;
}

static void
on_finished (const char *name, guint seconds, gpointer user_data)
{
  Slot *slot = user_data;
  Gather *gather = slot->gather;

  slot->result.name = name;
  slot->result.seconds = seconds;
  gather->finished++;
  if (gather->finished == gather->slots->len)
    report (gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *gather = g_new0 (Gather, 1);
  gsize i;

  gather->slots = g_ptr_array_new_with_free_func (g_free);
  gather->done = done;
  gather->user_data = user_data;

  /* First all slots, so that the length is right before anything can finish. */
  for (i = 0; i < n_experiments; i++)
    {
      Slot *slot = g_new0 (Slot, 1);
      slot->gather = gather;
      g_ptr_array_add (gather->slots, slot);
    }
  for (i = 0; i < n_experiments; i++)
    run_experiment (experiments[i].name, experiments[i].seconds, on_finished,
                    g_ptr_array_index (gather->slots, i));

  if (n_experiments == 0)
    g_timeout_add (0, report, gather);
}

static void
on_done (const char *name, guint seconds, gpointer user_data)
{
  g_main_loop_quit (user_data);
}

/* What a child does: one experiment, in a loop of its own. */
static void
child (const Experiment *experiment)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  run_experiment (experiment->name, experiment->seconds, on_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  _exit (0);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (experiments); i++)
    if (fork () == 0)
      child (&experiments[i]);
  while (wait (NULL) > 0)
    ;

  g_print ("All done: [");
  for (guint i = 0; i < G_N_ELEMENTS (experiments); i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", experiments[i].name, experiments[i].seconds);
  g_print ("]\n");
  return 0;
}
