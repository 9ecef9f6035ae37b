// mistake: sequential
// When one has finished I start the next, like await in a for loop.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Current;

static gboolean
current_over (gpointer user_data)
{
  Current *current = user_data;

  g_print ("[%s] finished after %u seconds\n", current->name, current->seconds);
  current->done (current->name, current->seconds, current->user_data);
  g_free (current);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Current *current = g_new (Current, 1);

  *current = (Current){ name, seconds, done, user_data };
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, current_over, current);
}

typedef struct {
  Experiment *experiments;
  gsize n_experiments;
  gsize next;
  GatherDone done;
  gpointer user_data;
} Chain;

static gboolean chain_go_on (gpointer user_data);

static void
link_finished (const char *name, guint seconds, gpointer user_data)
{
  chain_go_on (user_data);
}

static gboolean
chain_go_on (gpointer user_data)
{
  Chain *chain = user_data;

  if (chain->next < chain->n_experiments) {
    Experiment *e = &chain->experiments[chain->next++];

    run_experiment (e->name, e->seconds, link_finished, chain);
    return G_SOURCE_REMOVE;
  }
  chain->done (chain->experiments, chain->n_experiments, chain->user_data);
  g_free (chain->experiments);
  g_free (chain);
  return G_SOURCE_REMOVE;
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Chain *chain = g_new0 (Chain, 1);

  chain->experiments = g_memdup2 (experiments, n_experiments * sizeof (Experiment));
  chain->n_experiments = n_experiments;
  chain->done = done;
  chain->user_data = user_data;
  if (n_experiments == 0)
    g_idle_add (chain_go_on, chain);
  else
    chain_go_on (chain);
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
  Experiment experiments[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, 3, on_all_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
