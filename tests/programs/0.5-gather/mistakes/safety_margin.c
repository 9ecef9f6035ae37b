// mistake: wrong-elapsed
// A timer may fire a little early, so I add a fifth of a second.
#include "experiments.h"
#include <stdlib.h>

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Exp;

typedef struct {
  Experiment *r;
  gsize n, waiting;
  GatherDone done;
  gpointer user_data;
} All;

typedef struct {
  All *all;
  gsize i;
} Idx;

static gboolean
time_over (gpointer p)
{
  Exp *x = p;
  g_print ("[%s] finished after %u seconds\n", x->name, x->seconds);
  x->done (x->name, x->seconds, x->user_data);
  g_free (x);
  return FALSE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Exp *x = g_new (Exp, 1);
  x->name = name, x->seconds = seconds, x->done = done, x->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000 + 200, time_over, x);
}

static gboolean
tell_all (gpointer p)
{
  All *all = p;
  all->done (all->r, all->n, all->user_data);
  g_free (all->r);
  g_free (all);
  return FALSE;
}

static void
one_over (const char *name, guint seconds, gpointer p)
{
  Idx *idx = p;
  All *all = idx->all;
  all->r[idx->i].name = name;
  all->r[idx->i].seconds = seconds;
  g_free (idx);
  if (!--all->waiting)
    tell_all (all);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  All *all = g_new (All, 1);
  gsize i;
  all->r = g_new (Experiment, n_experiments);
  all->n = all->waiting = n_experiments;
  all->done = done;
  all->user_data = user_data;
  for (i = 0; i < n_experiments; i++) {
    Idx *idx = g_new (Idx, 1);
    idx->all = all;
    idx->i = i;
    run_experiment (experiments[i].name, experiments[i].seconds, one_over, idx);
  }
  if (!n_experiments)
    g_idle_add (tell_all, all);
}

static void
the_end (const Experiment *results, gsize n_results, gpointer user_data)
{
  gsize i;
  g_print ("All done: [");
  for (i = 0; i < n_results; i++)
    g_print (i == 0 ? "('%s', %u)" : ", ('%s', %u)", results[i].name, results[i].seconds);
  g_print ("]");
  g_main_loop_quit (user_data);
}

int
main (int argc, char **argv)
{
  Experiment experiments[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, 3, the_end, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  exit (EXIT_SUCCESS);
}
