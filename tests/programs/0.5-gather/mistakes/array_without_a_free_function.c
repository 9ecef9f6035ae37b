// mistake: memory-leak
// g_ptr_array_unref frees the array and all its elements.
#include "experiments.h"

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

  gather->slots = g_ptr_array_new ();
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
on_all_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  GMainLoop *loop = user_data;

  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    {
      if (i)
        g_print (", ");
      g_print ("('%s', %u)", results[i].name, results[i].seconds);
    }
  g_print ("]\n");
  g_main_loop_quit (loop);
}

int
main (void)
{
  Experiment experiments[3];
  GMainLoop *loop;

  experiments[0].name = "exp_small";
  experiments[0].seconds = 1;
  experiments[1].name = "exp_medium";
  experiments[1].seconds = 2;
  experiments[2].name = "exp_large";
  experiments[2].seconds = 3;

  loop = g_main_loop_new (NULL, FALSE);
  gather_experiments (experiments, 3, on_all_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
