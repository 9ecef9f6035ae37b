// mistake: unexpected-output
// A few debug lines between the others do no harm.
#define G_LOG_DOMAIN "gather"
#include "experiments.h"
#include <stdio.h>

typedef struct {
  const char *name;
  guint seconds;
  gint64 t0;
  ExperimentDone done;
  gpointer user_data;
} Probe;

static gboolean
probe_done (gpointer user_data)
{
  Probe *probe = user_data;

  fprintf (stderr, "# %s: timer fired %.3f s after its start\n", probe->name,
           (g_get_monotonic_time () - probe->t0) / 1e6);
  g_print ("[%s] finished after %u seconds\n", probe->name, probe->seconds);
  probe->done (probe->name, probe->seconds, probe->user_data);
  g_free (probe);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Probe *probe = g_new0 (Probe, 1);
  guint id;

  probe->name = name;
  probe->seconds = seconds;
  probe->t0 = g_get_monotonic_time ();
  probe->done = done;
  probe->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  id = g_timeout_add (seconds * 1000, probe_done, probe);
  g_print ("# %s: source %u\n", name, id);
}

typedef struct {
  Experiment *results;
  gsize n;
  gsize pending;
  GatherDone done;
  gpointer user_data;
} Probes;

typedef struct {
  Probes *probes;
  gsize i;
} ProbeSlot;

static gboolean
probes_done (gpointer user_data)
{
  Probes *probes = user_data;

  g_debug ("reporting %" G_GSIZE_FORMAT " results", probes->n);
  probes->done (probes->results, probes->n, probes->user_data);
  g_free (probes->results);
  g_free (probes);
  return G_SOURCE_REMOVE;
}

static void
slot_done (const char *name, guint seconds, gpointer user_data)
{
  ProbeSlot *slot = user_data;
  Probes *probes = slot->probes;

  probes->results[slot->i] = (Experiment){ name, seconds };
  probes->pending--;
  g_printerr ("# slot %" G_GSIZE_FORMAT " filled, %" G_GSIZE_FORMAT " pending\n", slot->i,
              probes->pending);
  g_free (slot);
  if (probes->pending == 0)
    probes_done (probes);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Probes *probes = g_new0 (Probes, 1);

  probes->results = g_new0 (Experiment, n_experiments);
  probes->n = n_experiments;
  probes->pending = n_experiments;
  probes->done = done;
  probes->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    ProbeSlot *slot = g_new0 (ProbeSlot, 1);

    slot->probes = probes;
    slot->i = i;
    run_experiment (experiments[i].name, experiments[i].seconds, slot_done, slot);
  }
  if (n_experiments == 0)
    g_idle_add (probes_done, probes);
  g_print ("# gather returns\n");
}

static void
on_all_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  g_printerr ("# quitting the loop\n");
  g_main_loop_quit (user_data);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_all_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
