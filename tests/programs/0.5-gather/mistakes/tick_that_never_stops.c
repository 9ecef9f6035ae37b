// mistake: memory-leak
// When the countdown is at zero the tick has no effect any more.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  guint left;
  ExperimentDone done;
  gpointer user_data;
} Countdown;

static gboolean
finish (gpointer user_data)
{
  Countdown *c = user_data;

  g_print ("[%s] finished after %u seconds\n", c->name, c->seconds);
  c->done (c->name, c->seconds, c->user_data);
  return G_SOURCE_REMOVE;
}

static gboolean
tick (gpointer user_data)
{
  Countdown *c = user_data;

  if (c->left > 0 && --c->left == 0)
    finish (c);
  return G_SOURCE_CONTINUE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Countdown *c = g_new (Countdown, 1);

  c->name = name;
  c->seconds = seconds;
  c->left = seconds;
  c->done = done;
  c->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  if (seconds > 0)
    g_timeout_add_full (G_PRIORITY_DEFAULT, 1000, tick, c, g_free);
  else
    g_idle_add_full (G_PRIORITY_DEFAULT, finish, c, g_free);
}

typedef struct {
  Experiment *results;
  gsize n;
  gsize missing;
  GatherDone done;
  gpointer user_data;
} Collection;

typedef struct {
  Collection *collection;
  Experiment *target;
} Link;

static gboolean
collection_ready (gpointer user_data)
{
  Collection *all = user_data;

  all->done (all->results, all->n, all->user_data);
  g_free (all->results);
  g_free (all);
  return G_SOURCE_REMOVE;
}

static void
link_done (const char *name, guint seconds, gpointer user_data)
{
  Link *link = user_data;
  Collection *all = link->collection;

  link->target->name = name;
  link->target->seconds = seconds;
  g_free (link);
  if (--all->missing == 0)
    collection_ready (all);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Collection *all = g_new (Collection, 1);

  all->results = g_new (Experiment, n_experiments);
  all->n = n_experiments;
  all->missing = n_experiments;
  all->done = done;
  all->user_data = user_data;
  if (n_experiments == 0)
    g_idle_add (collection_ready, all);
  for (gsize i = 0; i < n_experiments; i++) {
    Link *link = g_new (Link, 1);

    link->collection = all;
    link->target = &all->results[i];
    run_experiment (experiments[i].name, experiments[i].seconds, link_done, link);
  }
}

static void
print_all (const Experiment *results, gsize n_results, gpointer user_data)
{
  GMainLoop *loop = user_data;
  gsize i;

  g_print ("All done: [");
  for (i = 0; i < n_results; i++) {
    g_print ("('%s', %u)", results[i].name, results[i].seconds);
    if (i != n_results - 1)
      g_print (", ");
  }
  g_print ("]\n");
  g_main_loop_quit (loop);
}

int
main (void)
{
  Experiment e[3] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (e, 3, print_all, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
