// mistake: dangling-user-data
// The timer has fired, so its context can go first.
#include "experiments.h"

#define TICK_MS 100

typedef struct {
  const char *name;
  guint seconds;
  guint64 elapsed_ms;
  ExperimentDone done;
  gpointer user_data;
} Stopwatch;

static gboolean
on_tick (gpointer user_data)
{
  Stopwatch *watch = user_data;

  watch->elapsed_ms += TICK_MS;
  if (watch->elapsed_ms < (guint64) watch->seconds * 1000)
    return G_SOURCE_CONTINUE;

  g_print ("[%s] finished after %u seconds\n", watch->name, watch->seconds);
  g_free (watch);
  watch->done (watch->name, watch->seconds, watch->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Stopwatch *watch = g_new0 (Stopwatch, 1);

  watch->name = name;
  watch->seconds = seconds;
  watch->done = done;
  watch->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds == 0 ? 0 : TICK_MS, on_tick, watch);
}

typedef struct {
  Experiment *results;
  gsize n_results;
  gsize n_running;
  GatherDone done;
  gpointer user_data;
} Gathering;

typedef struct {
  Gathering *gathering;
  gsize index;
} Runner;

static gboolean
gathering_report (gpointer user_data)
{
  Gathering *gathering = user_data;

  gathering->done (gathering->results, gathering->n_results, gathering->user_data);
  g_free (gathering->results);
  g_free (gathering);
  return G_SOURCE_REMOVE;
}

static void
runner_done (const char *name, guint seconds, gpointer user_data)
{
  Runner *runner = user_data;
  Gathering *gathering = runner->gathering;

  gathering->results[runner->index].name = name;
  gathering->results[runner->index].seconds = seconds;
  g_free (runner);
  gathering->n_running--;
  if (gathering->n_running == 0)
    gathering_report (gathering);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gathering *gathering = g_new0 (Gathering, 1);

  gathering->results = g_new0 (Experiment, n_experiments);
  gathering->n_results = n_experiments;
  gathering->n_running = n_experiments;
  gathering->done = done;
  gathering->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Runner *runner = g_new0 (Runner, 1);

    runner->gathering = gathering;
    runner->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, runner_done, runner);
  }
  if (n_experiments == 0)
    g_idle_add (gathering_report, gathering);
}

static void
on_results (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i == 0 ? "" : ", ", results[i].name, results[i].seconds);
  g_print ("]\n");
  g_main_loop_quit (user_data);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 }
  };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, TRUE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_results, loop);
  g_main_loop_run (loop);
  return 0;
}
