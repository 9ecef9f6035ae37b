// variant: a queue sorted by deadline and a single timer, set for its head
#include "experiments.h"

typedef struct {
  gint64 deadline_us;
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Entry;

static GQueue agenda = G_QUEUE_INIT;
static guint agenda_timer;

static void agenda_set_timer (void);

static gint
entry_compare (gconstpointer a, gconstpointer b, gpointer user_data)
{
  const Entry *left = a, *right = b;

  /* Never 0, so that equal deadlines keep the order in which they came. */
  return left->deadline_us <= right->deadline_us ? -1 : 1;
}

static gboolean
agenda_due (gpointer user_data)
{
  gint64 now_us = g_get_monotonic_time ();
  Entry *entry = g_queue_peek_head (&agenda);

  agenda_timer = 0;
  if (entry != NULL && entry->deadline_us <= now_us) {
    g_queue_pop_head (&agenda);
    g_print ("[%s] finished after %u seconds\n", entry->name, entry->seconds);
    entry->done (entry->name, entry->seconds, entry->user_data);
    g_free (entry);
  }
  agenda_set_timer ();
  return G_SOURCE_REMOVE;
}

static void
agenda_set_timer (void)
{
  Entry *head = g_queue_peek_head (&agenda);
  gint64 wait_us;

  if (agenda_timer != 0)
    g_source_remove (agenda_timer);
  agenda_timer = 0;
  if (head == NULL)
    return;
  wait_us = MAX (head->deadline_us - g_get_monotonic_time (), 0);
  agenda_timer = g_timeout_add ((wait_us + 999) / 1000, agenda_due, NULL);
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Entry *entry = g_new (Entry, 1);

  entry->deadline_us = g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC;
  entry->name = name;
  entry->seconds = seconds;
  entry->done = done;
  entry->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_queue_insert_sorted (&agenda, entry, entry_compare, NULL);
  agenda_set_timer ();
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
slot_done (const char *name, guint seconds, gpointer user_data)
{
  Slot *slot = user_data;
  Gather *gather = slot->gather;

  gather->results[slot->index] = (Experiment){ name, seconds };
  g_free (slot);
  if (--gather->n_pending == 0)
    gather_report (gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *gather = g_new (Gather, 1);

  gather->results = g_new (Experiment, n_experiments);
  gather->n_results = n_experiments;
  gather->n_pending = n_experiments;
  gather->done = done;
  gather->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Slot *slot = g_new (Slot, 1);

    slot->gather = gather;
    slot->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, slot_done, slot);
  }
  if (n_experiments == 0)
    g_idle_add (gather_report, gather);
}

static void
on_all_done (const Experiment *results, gsize n_results, gpointer user_data)
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
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_all_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
