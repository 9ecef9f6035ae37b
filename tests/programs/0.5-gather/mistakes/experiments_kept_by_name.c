// mistake: shared-state
// A table from names to experiments finds each of them again.
#include "experiments.h"

typedef struct {
  char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Pending;

typedef struct {
  GHashTable *slots; /* set of Slot, owns them */
  Experiment *results;
  gsize n_results;
  GatherDone done;
  gpointer user_data;
} Gather;

typedef struct {
  Gather *gather;
  gsize index;
} Slot;

static GHashTable *experiments_by_name;

static gboolean
pending_over (gpointer user_data)
{
  Pending *pending = NULL;

  if (experiments_by_name != NULL)
    pending = g_hash_table_lookup (experiments_by_name, user_data);
  if (pending == NULL)
    return G_SOURCE_REMOVE;
  g_hash_table_steal (experiments_by_name, user_data);
  if (g_hash_table_size (experiments_by_name) == 0)
    g_clear_pointer (&experiments_by_name, g_hash_table_destroy);
  g_print ("[%s] finished after %u seconds\n", pending->name, pending->seconds);
  pending->done (pending->name, pending->seconds, pending->user_data);
  g_clear_pointer (&pending->name, g_free);
  g_free (pending);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Pending *pending = g_new0 (Pending, 1);

  if (experiments_by_name == NULL)
    experiments_by_name = g_hash_table_new (g_str_hash, g_str_equal);
  pending->name = g_strdup (name);
  pending->seconds = seconds;
  pending->done = done;
  pending->user_data = user_data;
  g_print ("[%s] starting...\n", pending->name);
  g_hash_table_insert (experiments_by_name, pending->name, pending);
  g_timeout_add (seconds * 1000, pending_over, (gpointer) name);
}

static gboolean
gather_over (gpointer user_data)
{
  Gather *gather = user_data;

  gather->done (gather->results, gather->n_results, gather->user_data);
  for (gsize i = 0; i < gather->n_results; i++)
    g_free ((char *) gather->results[i].name);
  g_free (gather->results);
  g_hash_table_destroy (gather->slots);
  g_free (gather);
  return G_SOURCE_REMOVE;
}

static void
slot_over (const char *name, guint seconds, gpointer user_data)
{
  Slot *slot = user_data;
  Gather *gather = slot->gather;

  gather->results[slot->index].name = g_strdup (name);
  gather->results[slot->index].seconds = seconds;
  g_hash_table_remove (gather->slots, slot);
  if (g_hash_table_size (gather->slots) == 0)
    gather_over (gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *gather = g_new0 (Gather, 1);

  gather->slots = g_hash_table_new_full (NULL, NULL, g_free, NULL);
  gather->results = g_new0 (Experiment, n_experiments);
  gather->n_results = n_experiments;
  gather->done = done;
  gather->user_data = user_data;

  for (gsize i = 0; i < n_experiments; i++) {
    Slot *slot = g_new0 (Slot, 1);

    slot->gather = gather;
    slot->index = i;
    g_hash_table_add (gather->slots, slot);
    run_experiment (experiments[i].name, experiments[i].seconds, slot_over, slot);
  }
  if (g_hash_table_size (gather->slots) == 0)
    g_idle_add (gather_over, gather);
}

static void
show_results (const Experiment *results, gsize n_results, gpointer user_data)
{
  GString *text = g_string_new (NULL);

  for (gsize i = 0; i < n_results; i++)
    g_string_append_printf (text, "%s('%s', %u)", text->len ? ", " : "", results[i].name,
                            results[i].seconds);
  g_print ("All done: [%s]\n", text->str);
  g_string_free (text, TRUE);
  g_main_loop_quit ((GMainLoop *) user_data);
}

int
main (void)
{
  Experiment experiments[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), show_results, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
