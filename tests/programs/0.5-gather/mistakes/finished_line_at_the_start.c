// mistake: output-differs
// The code after g_timeout_add runs when the time is up.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Timer;

static gboolean
timer_expired (gpointer user_data)
{
  Timer *timer = user_data;

  timer->done (timer->name, timer->seconds, timer->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Timer *timer = g_new (Timer, 1);
  GSource *source = g_timeout_source_new (seconds * 1000);

  timer->name = name;
  timer->seconds = seconds;
  timer->done = done;
  timer->user_data = user_data;

  g_print ("[%s] starting...\n", name);
  g_source_set_callback (source, timer_expired, timer, g_free);
  g_source_attach (source, NULL);
  g_source_unref (source);
  g_print ("[%s] finished after %u seconds\n", name, seconds);
}

typedef struct {
  gsize n_results;
  gsize n_pending;
  GatherDone done;
  gpointer user_data;
  Experiment *results;
} State;

typedef struct {
  State *state;
  Experiment *result; /* where this one's result goes */
} Place;

static gboolean
state_report (gpointer user_data)
{
  State *state = user_data;

  state->done (state->results, state->n_results, state->user_data);
  g_free (state->results);
  g_free (state);
  return G_SOURCE_REMOVE;
}

static void
place_fill (const char *name, guint seconds, gpointer user_data)
{
  Place *place = user_data;
  State *state = place->state;

  place->result->name = name;
  place->result->seconds = seconds;
  g_free (place);

  state->n_pending--;
  if (state->n_pending == 0)
    state_report (state);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  State *state = g_new (State, 1);

  state->n_results = n_experiments;
  state->n_pending = n_experiments;
  state->done = done;
  state->user_data = user_data;
  state->results = g_new (Experiment, n_experiments);

  for (gsize i = 0; i < n_experiments; i++) {
    Place *place = g_new (Place, 1);

    place->state = state;
    place->result = &state->results[i];
    run_experiment (experiments[i].name, experiments[i].seconds, place_fill, place);
  }

  if (n_experiments == 0) {
    GSource *idle = g_idle_source_new ();

    g_source_set_callback (idle, state_report, state, NULL);
    g_source_attach (idle, g_main_context_default ());
    g_source_unref (idle);
  }
}

static void
show (const Experiment *results, gsize n_results, gpointer user_data)
{
  const char *separator = "";

  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++) {
    g_print ("%s('%s', %u)", separator, results[i].name, results[i].seconds);
    separator = ", ";
  }
  g_print ("]\n");
  g_main_loop_quit (user_data);
}

int
main (void)
{
  Experiment experiments[] = {
    { .name = "exp_small", .seconds = 1 },
    { .name = "exp_medium", .seconds = 2 },
    { .name = "exp_large", .seconds = 3 },
  };
  GMainLoop *loop;

  loop = g_main_loop_new (g_main_context_default (), FALSE);
  gather_experiments (experiments, G_N_ELEMENTS (experiments), show, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);

  return 0;
}
