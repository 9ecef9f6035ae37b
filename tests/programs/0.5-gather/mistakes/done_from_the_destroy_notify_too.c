// mistake: done-twice
// The callback calls done, and so does the destroy notify.
#include "experiments.h"

struct run
{
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
};

static void
run_free (gpointer p)
{
  struct run *r = p;
  r->done (r->name, r->seconds, r->user_data);
  g_slice_free (struct run, r);
}

static gboolean
run_wakeup (gpointer p)
{
  struct run *r = p;
  g_print ("[%s] finished after %u seconds\n", r->name, r->seconds);
  r->done (r->name, r->seconds, r->user_data);
  return FALSE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  struct run *r = g_slice_new (struct run);
  r->name = name;
  r->seconds = seconds;
  r->done = done;
  r->user_data = user_data;
  g_print ("[%s] starting...\n", r->name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, run_wakeup, r, run_free);
}

typedef struct
{
  Experiment *results;
  gsize n;
  gsize pending;
  GatherDone done;
  gpointer user_data;
  struct slot *slots;
} Gather;

struct slot
{
  Gather *g;
  gsize index;
};

static gboolean
gather_report (gpointer data)
{
  Gather *g = data;
  g->done (g->results, g->n, g->user_data);
  g_free (g->slots);
  g_free (g->results);
  g_free (g);
  return G_SOURCE_REMOVE;
}

static void
one_done (const char *name, guint seconds, gpointer data)
{
  struct slot *s = data;
  s->g->results[s->index].name = name;
  s->g->results[s->index].seconds = seconds;
  if (--s->g->pending == 0)
    gather_report (s->g);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *g = g_new0 (Gather, 1);
  g->results = g_new0 (Experiment, n_experiments);
  g->slots = g_new0 (struct slot, n_experiments);
  g->n = g->pending = n_experiments;
  g->done = done;
  g->user_data = user_data;
  if (n_experiments == 0)
    {
      g_idle_add (gather_report, g);
      return;
    }
  for (gsize i = 0; i < n_experiments; i++)
    {
      g->slots[i].g = g;
      g->slots[i].index = i;
      run_experiment (experiments[i].name, experiments[i].seconds, one_done, &g->slots[i]);
    }
}

static void
report (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    {
      if (i > 0)
        g_print (", ");
      g_print ("('%s', %u)", results[i].name, results[i].seconds);
    }
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
  gather_experiments (experiments, 3, report, loop);
  g_main_loop_run (loop);
  return 0;
}
