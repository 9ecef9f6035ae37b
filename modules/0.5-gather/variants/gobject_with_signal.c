// variant: an experiment is a GObject that emits "finished"; gather connects to the signal
#include "experiments.h"
#include <glib-object.h>

#define LAB_TYPE_RUN (lab_run_get_type ())
G_DECLARE_FINAL_TYPE (LabRun, lab_run, LAB, RUN, GObject)

struct _LabRun {
  GObject parent_instance;
  char *name;
  guint seconds;
};

G_DEFINE_TYPE (LabRun, lab_run, G_TYPE_OBJECT)

static guint finished_signal;

static void
lab_run_finalize (GObject *object)
{
  g_free (LAB_RUN (object)->name);
  G_OBJECT_CLASS (lab_run_parent_class)->finalize (object);
}

static void
lab_run_class_init (LabRunClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = lab_run_finalize;
  finished_signal = g_signal_new ("finished", LAB_TYPE_RUN, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                  NULL, G_TYPE_NONE, 0);
}

static void
lab_run_init (LabRun *self)
{
}

static gboolean
lab_run_timeout (gpointer user_data)
{
  LabRun *self = LAB_RUN (user_data);

  g_print ("[%s] finished after %u seconds\n", self->name, self->seconds);
  g_signal_emit (self, finished_signal, 0);
  return G_SOURCE_REMOVE;
}

typedef struct {
  ExperimentDone done;
  gpointer user_data;
} Listener;

static void
listener_finished (LabRun *run, Listener *listener)
{
  listener->done (run->name, run->seconds, listener->user_data);
}

static void
listener_free (gpointer data, GClosure *closure)
{
  g_free (data);
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  LabRun *run = g_object_new (LAB_TYPE_RUN, NULL);
  Listener *listener = g_new (Listener, 1);

  run->name = g_strdup (name);
  run->seconds = seconds;
  listener->done = done;
  listener->user_data = user_data;
  g_signal_connect_data (run, "finished", G_CALLBACK (listener_finished), listener,
                         listener_free, 0);
  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, lab_run_timeout, run,
                      g_object_unref);
}

typedef struct {
  Experiment *results;
  gsize n_results;
  gsize n_pending;
  GatherDone done;
  gpointer user_data;
} Gather;

typedef struct {
  Gather *gather;
  Experiment wanted; /* the names of the caller stay valid until we report */
  gsize index;
} Slot;

static gboolean
gather_report (gpointer user_data)
{
  Gather *gather = user_data;

  gather->done (gather->results, gather->n_results, gather->user_data);
  g_free (gather->results);
  g_free (gather);
  return G_SOURCE_REMOVE;
}

static void
slot_finished (const char *name, guint seconds, gpointer user_data)
{
  Slot *slot = user_data;
  Gather *gather = slot->gather;

  gather->results[slot->index] = slot->wanted;
  g_free (slot);
  if (--gather->n_pending == 0)
    gather_report (gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *gather = g_new0 (Gather, 1);

  gather->results = g_new0 (Experiment, n_experiments);
  gather->n_results = n_experiments;
  gather->n_pending = n_experiments;
  gather->done = done;
  gather->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Slot *slot = g_new (Slot, 1);

    slot->gather = gather;
    slot->wanted = experiments[i];
    slot->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, slot_finished, slot);
  }
  if (n_experiments == 0)
    g_idle_add (gather_report, gather);
}

static void
on_gathered (const Experiment *results, gsize n_results, gpointer user_data)
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

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_gathered, loop);
  g_main_loop_run (loop);
  return 0;
}
