// mistake: memory-leak
// C frees what a callback used when the callback ends.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Step;

static gboolean
step_over (gpointer user_data)
{
  Step *step = user_data;

  g_print ("[%s] finished after %u seconds\n", step->name, step->seconds);
  step->done (step->name, step->seconds, step->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Step *step = g_new (Step, 1);

  *step = (Step){ name, seconds, done, user_data };
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, step_over, step);
}

typedef struct _Crowd Crowd;

typedef struct {
  Crowd *crowd;
  Experiment *result;
} Person;

struct _Crowd {
  gsize tokens;
  gsize n_results;
  GatherDone done;
  gpointer user_data;
  Experiment *results;
  Person *people;
};

static void
crowd_give_back_token (Crowd *crowd)
{
  if (--crowd->tokens > 0)
    return;
  crowd->done (crowd->results, crowd->n_results, crowd->user_data);
  g_free (crowd->people);
  g_free (crowd->results);
  g_free (crowd);
}

static gboolean
crowd_first_token (gpointer user_data)
{
  crowd_give_back_token (user_data);
  return G_SOURCE_REMOVE;
}

static void
person_done (const char *name, guint seconds, gpointer user_data)
{
  Person *person = user_data;

  *person->result = (Experiment){ name, seconds };
  crowd_give_back_token (person->crowd);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Crowd *crowd = g_new (Crowd, 1);

  crowd->tokens = n_experiments + 1;
  crowd->n_results = n_experiments;
  crowd->done = done;
  crowd->user_data = user_data;
  crowd->results = g_new0 (Experiment, n_experiments);
  crowd->people = g_new0 (Person, n_experiments);
  for (gsize i = 0; i < n_experiments; i++) {
    crowd->people[i] = (Person){ crowd, &crowd->results[i] };
    run_experiment (experiments[i].name, experiments[i].seconds, person_done,
                    &crowd->people[i]);
  }
  g_idle_add (crowd_first_token, crowd);
}

static void
on_crowd (const Experiment *results, gsize n_results, gpointer user_data)
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

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_crowd, loop);
  g_main_loop_run (loop);
  return 0;
}
