// mistake: busy-wait
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
  gint64 until;
} Timer;

static gboolean
timer_fired (gpointer data)
{
  Timer *t = data;

  if (g_get_monotonic_time () < t->until)
    return G_SOURCE_CONTINUE;
  g_print ("[%s] finished after %u seconds\n", t->name, t->seconds);
  t->done (t->name, t->seconds, t->user_data);
  g_free (t);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Timer *t = g_new0 (Timer, 1);

  t->name = name;
  t->seconds = seconds;
  t->done = done;
  t->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  t->until = g_get_monotonic_time () + (gint64) seconds * 1000000;
  g_timeout_add (1, timer_fired, t);
}
/* ---- Gather: count what is pending; whoever brings it to zero reports ---- */
typedef struct Gather Gather;

/* One per experiment, so that a result finds its place whatever finishes first. */
typedef struct {
  Gather *gather;
  gsize index;
} Slot;

struct Gather {
  Experiment *results;
  gsize n_results;
  Slot *slots;
  gsize n_pending;
  GatherDone done;
  gpointer user_data;
};

static gboolean
report_gather (gpointer user_data)
{
  Gather *gather = user_data;

  gather->done (gather->results, gather->n_results, gather->user_data);
  g_free (gather->results);
  g_free (gather->slots);
  g_free (gather);
  return G_SOURCE_REMOVE;
}

static void
on_one_finished (const char *name, guint seconds, gpointer user_data)
{
  Slot *slot = user_data;
  Gather *gather = slot->gather;

  gather->results[slot->index] = (Experiment){ name, seconds };
  gather->n_pending--;
  if (gather->n_pending == 0)
    report_gather (gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *gather = g_new (Gather, 1);

  gather->results = g_new (Experiment, n_experiments);
  gather->n_results = n_experiments;
  gather->slots = g_new (Slot, n_experiments);
  gather->n_pending = n_experiments;
  gather->done = done;
  gather->user_data = user_data;

  for (gsize i = 0; i < n_experiments; i++) {
    gather->slots[i] = (Slot){ gather, i };
    run_experiment (experiments[i].name, experiments[i].seconds, on_one_finished,
                    &gather->slots[i]);
  }

  /* Nothing to wait for is no reason to call back too early: the loop does it. */
  if (n_experiments == 0)
    g_idle_add (report_gather, gather);
}

/* ---- The program ---- */
static void
on_all_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  GMainLoop *loop = user_data;

  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  g_main_loop_quit (loop);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_all_done, loop);
  g_main_loop_run (loop);
  return 0;
}
