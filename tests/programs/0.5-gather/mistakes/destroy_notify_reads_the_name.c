// mistake: dangling-user-data
// The timer's destroy function still says whose timer it was.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} ExperimentData;

/* Destructor: GLib calls it when the timer is gone, whether it has fired or not. */
static void
experiment_data_free (gpointer data)
{
  ExperimentData *self = data;

  g_debug ("experiment '%s' is over, its timer is gone", self->name);
  g_free (self);
}

static gboolean
experiment_timeout_cb (gpointer data)
{
  ExperimentData *self = data;

  g_print ("[%s] finished after %u seconds\n", self->name, self->seconds);
  self->done (self->name, self->seconds, self->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  ExperimentData *self = g_new0 (ExperimentData, 1);

  self->name = name;
  self->seconds = seconds;
  self->done = done;
  self->user_data = user_data;

  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, experiment_timeout_cb, self,
                      experiment_data_free);
}

typedef struct {
  Experiment *results;
  gsize n_results;
  gsize n_finished;
  GatherDone done;
  gpointer user_data;
} GatherData;

typedef struct {
  GatherData *gather;
  gsize index;
} SlotData;

static void
gather_data_free (GatherData *self)
{
  g_free (self->results);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GatherData, gather_data_free)

static gboolean
gather_report_cb (gpointer data)
{
  g_autoptr (GatherData) self = data;

  self->done (self->results, self->n_results, self->user_data);
  return G_SOURCE_REMOVE;
}

static void
gather_slot_cb (const char *name, guint seconds, gpointer data)
{
  g_autofree SlotData *slot = data;
  GatherData *self = slot->gather;

  self->results[slot->index] = (Experiment){ name, seconds };
  if (++self->n_finished == self->n_results)
    gather_report_cb (self);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  GatherData *self = g_new0 (GatherData, 1);

  self->results = g_new0 (Experiment, n_experiments);
  self->n_results = n_experiments;
  self->done = done;
  self->user_data = user_data;

  if (n_experiments == 0)
    g_idle_add (gather_report_cb, self);

  for (gsize i = 0; i < n_experiments; i++)
    {
      SlotData *slot = g_new0 (SlotData, 1);

      slot->gather = self;
      slot->index = i;
      run_experiment (experiments[i].name, experiments[i].seconds, gather_slot_cb, slot);
    }
}

static void
all_done_cb (const Experiment *results, gsize n_results, gpointer data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  g_main_loop_quit ((GMainLoop *) data);
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

  gather_experiments (experiments, G_N_ELEMENTS (experiments), all_done_cb, loop);
  g_main_loop_run (loop);
  return 0;
}
