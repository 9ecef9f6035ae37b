// variant: the gather is a reference-counted box; the last reference reports
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Lab;

static void
lab_free (gpointer data)
{
  g_rc_box_release (data);
}

static gboolean
lab_closes (gpointer data)
{
  Lab *lab = data;

  g_print ("[%s] finished after %u seconds\n", lab->name, lab->seconds);
  lab->done (lab->name, lab->seconds, lab->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Lab *lab = g_rc_box_new0 (Lab);

  lab->name = name;
  lab->seconds = seconds;
  lab->done = done;
  lab->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, lab_closes, lab, lab_free);
}

typedef struct {
  Experiment *results;
  gsize n_results;
  GatherDone done;
  gpointer user_data;
} Gather;

typedef struct {
  Gather *gather; /* a reference */
  gsize index;
} Share;

/* Runs when nobody holds a reference any more, that is, when all have finished. */
static void
gather_clear (gpointer data)
{
  Gather *gather = data;

  gather->done (gather->results, gather->n_results, gather->user_data);
  g_free (gather->results);
}

static gboolean
gather_release (gpointer data)
{
  g_rc_box_release_full (data, gather_clear);
  return G_SOURCE_REMOVE;
}

static void
share_done (const char *name, guint seconds, gpointer data)
{
  Share *share = data;

  share->gather->results[share->index] = (Experiment){ name, seconds };
  gather_release (share->gather);
  g_free (share);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *gather = g_rc_box_new0 (Gather);

  gather->results = g_new0 (Experiment, n_experiments);
  gather->n_results = n_experiments;
  gather->done = done;
  gather->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Share *share = g_new (Share, 1);

    share->gather = g_rc_box_acquire (gather);
    share->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, share_done, share);
  }
  if (n_experiments > 0)
    g_rc_box_release (gather);
  else
    g_idle_add (gather_release, gather);
}

static void
print_results (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
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
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), print_results, loop);
  g_main_loop_run (loop);
  return 0;
}
