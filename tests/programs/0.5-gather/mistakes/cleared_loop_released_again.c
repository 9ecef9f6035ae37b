// mistake: glib-critical
// g_clear_pointer in the callback, and g_main_loop_unref at the end, to be sure.
#include "experiments.h"

static GMainLoop *main_loop;

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} ExpData;

typedef struct {
  Experiment *results;
  gsize count;
  gsize pending;
  GatherDone done;
  gpointer user_data;
} GatherData;

typedef struct {
  GatherData *gd;
  gsize idx;
} SlotData;

static gboolean
exp_timeout (gpointer p)
{
  ExpData *d = (ExpData *) p;

  g_print ("[%s] finished after %u seconds\n", d->name, d->seconds);
  d->done (d->name, d->seconds, d->user_data);
  g_free (d);
  return FALSE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  ExpData *d = g_malloc (sizeof (ExpData));

  d->name = name;
  d->seconds = seconds;
  d->done = done;
  d->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, exp_timeout, d);
}

static gboolean
gather_finish (gpointer p)
{
  GatherData *gd = (GatherData *) p;

  gd->done (gd->results, gd->count, gd->user_data);
  g_free (gd->results);
  g_free (gd);
  return FALSE;
}

static void
slot_done (const char *name, guint seconds, gpointer p)
{
  SlotData *sd = (SlotData *) p;
  GatherData *gd = sd->gd;

  gd->results[sd->idx].name = name;
  gd->results[sd->idx].seconds = seconds;
  g_free (sd);
  gd->pending = gd->pending - 1;
  if (gd->pending == 0)
    gather_finish (gd);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  GatherData *gd = g_malloc (sizeof (GatherData));

  gd->results = g_new (Experiment, n_experiments);
  gd->count = n_experiments;
  gd->pending = n_experiments;
  gd->done = done;
  gd->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    SlotData *sd = g_malloc (sizeof (SlotData));

    sd->gd = gd;
    sd->idx = i;
    run_experiment (experiments[i].name, experiments[i].seconds, slot_done, sd);
  }
  if (n_experiments == 0)
    g_idle_add (gather_finish, gd);
}

static void
print_and_quit (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++) {
    g_print ("('%s', %u)", results[i].name, results[i].seconds);
    if (i < n_results - 1)
      g_print (", ");
  }
  g_print ("]\n");
  g_main_loop_quit (main_loop);
  g_clear_pointer (&main_loop, g_main_loop_unref);
}

int
main (void)
{
  static const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };

  main_loop = g_main_loop_new (NULL, FALSE);
  gather_experiments (experiments, G_N_ELEMENTS (experiments), print_and_quit, NULL);
  g_main_loop_run (main_loop);
  g_main_loop_unref (main_loop);
}
