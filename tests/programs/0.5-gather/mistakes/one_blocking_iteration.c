// mistake: quits-on-first
// One blocking iteration waits until everything is done.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Sleeper;

static gboolean
sleeper_wakes (gpointer user_data)
{
  Sleeper *sleeper = user_data;

  g_print ("[%s] finished after %u seconds\n", sleeper->name, sleeper->seconds);
  sleeper->done (sleeper->name, sleeper->seconds, sleeper->user_data);
  g_free (sleeper);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Sleeper *sleeper = g_new0 (Sleeper, 1);

  sleeper->name = name;
  sleeper->seconds = seconds;
  sleeper->done = done;
  sleeper->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, sleeper_wakes, sleeper);
}

typedef struct {
  Experiment *results;
  gsize n_results;
  gsize n_awake;
  GatherDone done;
  gpointer user_data;
} Dormitory;

typedef struct {
  Dormitory *dormitory;
  gsize bed;
} Bed;

static gboolean
dormitory_is_awake (gpointer user_data)
{
  Dormitory *dormitory = user_data;

  dormitory->done (dormitory->results, dormitory->n_results, dormitory->user_data);
  g_free (dormitory->results);
  g_free (dormitory);
  return G_SOURCE_REMOVE;
}

static void
bed_is_empty (const char *name, guint seconds, gpointer user_data)
{
  Bed *bed = user_data;
  Dormitory *dormitory = bed->dormitory;

  dormitory->results[bed->bed] = (Experiment){ name, seconds };
  g_free (bed);
  if (++dormitory->n_awake == dormitory->n_results)
    dormitory_is_awake (dormitory);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Dormitory *dormitory = g_new0 (Dormitory, 1);

  dormitory->results = g_new0 (Experiment, n_experiments);
  dormitory->n_results = n_experiments;
  dormitory->done = done;
  dormitory->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Bed *bed = g_new0 (Bed, 1);

    bed->dormitory = dormitory;
    bed->bed = i;
    run_experiment (experiments[i].name, experiments[i].seconds, bed_is_empty, bed);
  }
  if (n_experiments == 0)
    g_idle_add (dormitory_is_awake, dormitory);
}

static void
on_all_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  gboolean *finished = user_data;

  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  *finished = TRUE;
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  gboolean finished = FALSE;

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_all_done, &finished);
  g_main_context_iteration (NULL, TRUE);
  return 0;
}
