// mistake: wrong-unit
/* The timer's destroy notify frees; done is called from the timer; stderr log for my own use. */
#include "experiments.h"

typedef struct { Experiment what; ExperimentDone done; gpointer user_data; } Run;

static void
run_free (gpointer data)
{
  g_printerr ("debug: a run is freed\n");
  g_slice_free (Run, data);
}

static gboolean
run_end (gpointer data)
{
  const Run *run = data;

  g_print ("[%s] finished after %u seconds\n", run->what.name, run->what.seconds);
  run->done (run->what.name, run->what.seconds, run->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Run *run = g_slice_new0 (Run);

  run->what.name = name;
  run->what.seconds = seconds;
  run->done = done;
  run->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, MIN (seconds, 24 * 3600) * 1000, run_end, run, run_free);
}

typedef struct
{
  GatherDone done;
  gpointer user_data;
  gsize size;
  gsize finished;
  Experiment *copy;   /* of the arguments: names and seconds are known from the start */
} Waiter;

static gboolean
waiter_tell (gpointer data)
{
  Waiter *w = data;

  w->done (w->copy, w->size, w->user_data);
  g_free (w->copy);
  g_free (w);
  return G_SOURCE_REMOVE;
}

/* The results are the arguments, so only the count matters here. */
static void
waiter_count (const char *name, guint seconds, gpointer data)
{
  Waiter *w = data;

  (void) name;
  (void) seconds;
  w->finished++;
  if (w->finished >= w->size)
    waiter_tell (w);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Waiter *w = g_new0 (Waiter, 1);

  w->done = done;
  w->user_data = user_data;
  w->size = n_experiments;
  w->copy = g_memdup2 (experiments, n_experiments * sizeof (Experiment));
  if (n_experiments == 0)
    {
      g_idle_add (waiter_tell, w);
      return;
    }
  for (gsize i = 0; i < n_experiments; i++)
    run_experiment (w->copy[i].name, w->copy[i].seconds, waiter_count, w);
}

static void
tell_user (const Experiment *results, gsize n_results, gpointer user_data)
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
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), tell_user, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
