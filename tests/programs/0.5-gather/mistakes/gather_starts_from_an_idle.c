// mistake: output-differs
// It copies the array, returns, and starts them when the loop gets round to it.
#include "experiments.h"

typedef struct { const char *name; guint seconds; ExperimentDone done; gpointer user_data; } Run;

static gboolean
run_finished (gpointer data)
{
  Run *run = data;
  g_print ("[%s] finished after %u seconds\n", run->name, run->seconds);
  run->done (run->name, run->seconds, run->user_data);
  g_free (run);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Run *run = g_new0 (Run, 1);
  run->name = name;
  run->seconds = seconds;
  run->done = done;
  run->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, run_finished, run);
}

/* Each child carries a pointer to its cell; the shared part counts. */
typedef struct {
  guint pending;
  gsize n;
  Experiment *cells;
  GatherDone tell;
  gpointer tell_data;
} Shared;

typedef struct {
  Shared *shared;
  Experiment *cell;
} Child;

static void
shared_finish (Shared *s)
{
  s->tell (s->cells, s->n, s->tell_data);
  g_free (s->cells);
  g_slice_free (Shared, s);
}

static gboolean
shared_finish_idle (gpointer data)
{
  shared_finish (data);
  return FALSE;
}

static void
child_done (const char *name, guint seconds, gpointer data)
{
  g_autofree Child *c = data;
  Shared *s = c->shared;

  c->cell->name = name;
  c->cell->seconds = seconds;
  s->pending -= 1;
  if (!s->pending)
    shared_finish (s);
}

static gboolean
start_all (gpointer data)
{
  Shared *s = data;
  for (gsize k = 0, n = s->n; k < n; ++k) {
    Child *c = g_new (Child, 1);
    c->shared = s;
    c->cell = s->cells + k;
    run_experiment (s->cells[k].name, s->cells[k].seconds, child_done, c);
  }
  return FALSE;
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data)
{
  Shared *s = g_slice_new0 (Shared);
  s->n = n_experiments;
  s->pending = (guint) n_experiments;
  s->cells = g_memdup2 (experiments, n_experiments * sizeof (Experiment));
  s->tell = done;
  s->tell_data = user_data;

  if (!n_experiments)
    g_idle_add (shared_finish_idle, s);

  else
    g_idle_add (start_all, s);
}

static void
all_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++) {
    if (i > 0)
      g_print (", ");
    g_print ("('%s', %u)", results[i].name, results[i].seconds);
  }
  g_print ("]\n");
  g_main_loop_quit ((GMainLoop *) user_data);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 },
  };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, 3, all_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
