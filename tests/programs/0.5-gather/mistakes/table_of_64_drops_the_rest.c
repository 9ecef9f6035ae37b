// mistake: hard-coded
// A table of 64; what does not fit is left out, so nothing is overrun.
#include "experiments.h"

#define MAX_EXPERIMENTS 64

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Running;

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
  g_timeout_add (seconds * 1000, on_timeout, running);
}

typedef struct Table Table;
typedef struct {
  Table *table;
  guint row;
} Row;

struct Table {
  Experiment results[MAX_EXPERIMENTS];
  Row rows[MAX_EXPERIMENTS];
  guint n, pending;
  GatherDone done;
  gpointer user_data;
};

static gboolean
table_report (gpointer data)
{
  Table *t = data;

  t->done (t->results, t->n, t->user_data);
  g_free (t);
  return FALSE;
}

static void
row_done (const char *name, guint seconds, gpointer data)
{
  Row *row = data;
  Table *t = row->table;

  t->results[row->row] = (Experiment){ name, seconds };
  if (--t->pending == 0)
    table_report (t);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Table *t = g_new0 (Table, 1);

  t->n = t->pending = MIN (n_experiments, MAX_EXPERIMENTS);
  t->done = done;
  t->user_data = user_data;
  for (guint i = 0; i < t->n; i++) {
    t->rows[i] = (Row){ t, i };
    run_experiment (experiments[i].name, experiments[i].seconds, row_done, &t->rows[i]);
  }
  if (t->n == 0)
    g_idle_add (table_report, t);
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
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_all_done, loop);
  g_main_loop_run (loop);
  return 0;
}
