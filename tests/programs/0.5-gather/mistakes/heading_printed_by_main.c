// mistake: unexpected-output
// A heading makes the output nicer.
#include "experiments.h"

typedef struct {
  GMainLoop *loop;
  int status;
} App;

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Run;

static gboolean
run_ends (Run *run)
{
  g_print ("[%s] finished after %u seconds\n", run->name, run->seconds);
  run->done (run->name, run->seconds, run->user_data);
  g_free (run);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Run *run = g_new (Run, 1);

  run->name = name;
  run->seconds = seconds;
  run->done = done;
  run->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, G_SOURCE_FUNC (run_ends), run);
}

typedef struct {
  GatherDone done;
  gpointer user_data;
  gsize n_results;
  gsize n_pending;
  Experiment *results;
} All;

typedef struct {
  All *all;
  gsize index;
} One;

static gboolean
all_end (All *all)
{
  all->done (all->results, all->n_results, all->user_data);
  g_free (all->results);
  g_free (all);
  return G_SOURCE_REMOVE;
}

static void
one_ends (const char *name, guint seconds, gpointer user_data)
{
  One *one = user_data;
  All *all = one->all;

  all->results[one->index].name = name;
  all->results[one->index].seconds = seconds;
  g_free (one);
  all->n_pending--;
  if (all->n_pending == 0)
    all_end (all);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  All *all = g_new (All, 1);

  all->done = done;
  all->user_data = user_data;
  all->n_results = n_experiments;
  all->n_pending = n_experiments;
  all->results = g_new (Experiment, n_experiments);
  if (n_experiments == 0)
    g_idle_add (G_SOURCE_FUNC (all_end), all);
  for (gsize i = 0; i < n_experiments; i++) {
    One *one = g_new (One, 1);

    one->all = all;
    one->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, one_ends, one);
  }
}

static void
app_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  App *app = user_data;

  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  app->status = n_results == 3 ? 0 : 1;
  g_main_loop_quit (app->loop);
}

int
main (void)
{
  App app = { NULL, 1 };
  Experiment experiments[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };

  g_print ("Running %d experiments:\n", 3);
  app.loop = g_main_loop_new (NULL, FALSE);
  gather_experiments (experiments, 3, app_done, &app);
  g_main_loop_run (app.loop);
  g_main_loop_unref (app.loop);
  return app.status;
}
