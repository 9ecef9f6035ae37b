// mistake: busy-wait
// A GTimer measures the time, and a timeout of 0 looks at it.
#include "experiments.h"

typedef struct {
  Experiment self;
  GTimer *timer;
  ExperimentDone done;
  gpointer data;
} Exp;

typedef struct {
  Experiment *results;
  gsize n, open;
  GatherDone done;
  gpointer data;
} Gat;

typedef struct {
  Gat *gat;
  gsize k;
} Pos;

static gboolean
exp_over (gpointer p)
{
  Exp *e = p;

  if (g_timer_elapsed (e->timer, NULL) < e->self.seconds)
    return TRUE;
  g_timer_destroy (e->timer);
  g_print ("[%s] finished after %u seconds\n", e->self.name, e->self.seconds);
  e->done (e->self.name, e->self.seconds, e->data);
  g_slice_free (Exp, e);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Exp *e = g_slice_new (Exp);

  e->self.name = name;
  e->self.seconds = seconds;
  e->done = done;
  e->data = user_data;
  g_print ("[%s] starting...\n", name);
  e->timer = g_timer_new ();
  g_timeout_add (0, exp_over, e);
}

static gboolean
gat_over (gpointer p)
{
  Gat *g = p;

  g->done (g->results, g->n, g->data);
  g_free (g->results);
  g_slice_free (Gat, g);
  return G_SOURCE_REMOVE;
}

static void
pos_over (const char *name, guint seconds, gpointer p)
{
  Pos *pos = p;
  Gat *g = pos->gat;

  g->results[pos->k].name = name;
  g->results[pos->k].seconds = seconds;
  g_slice_free (Pos, pos);
  if (--g->open == 0)
    gat_over (g);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gat *g = g_slice_new (Gat);
  gsize k = n_experiments;

  g->results = g_new0 (Experiment, n_experiments);
  g->n = g->open = n_experiments;
  g->done = done;
  g->data = user_data;
  while (k-- > 0) {
    Pos *pos = g_slice_new (Pos);

    pos->gat = g;
    pos->k = k;
    run_experiment (experiments[k].name, experiments[k].seconds, pos_over, pos);
  }
  if (n_experiments == 0)
    g_idle_add (gat_over, g);
}

static void
list_results (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize k = 0; k < n_results; k++)
    g_print ("%s('%s', %u)", k ? ", " : "", results[k].name, results[k].seconds);
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

  gather_experiments (experiments, G_N_ELEMENTS (experiments), list_results, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
