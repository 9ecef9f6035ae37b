// mistake: never-quits
// The counter starts at whatever the heap holds.
#include "experiments.h"

typedef struct
{
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Exp;

static gboolean
exp_finished (gpointer data)
{
  Exp *e = data;
  g_print ("[%s] finished after %u seconds\n", e->name, e->seconds);
  e->done (e->name, e->seconds, e->user_data);
  g_free (e);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Exp *e = g_new0 (Exp, 1);
  e->name = name;
  e->seconds = seconds;
  e->done = done;
  e->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, exp_finished, e);
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
  Gather *g = g_new (Gather, 1);
  g->results = g_new0 (Experiment, n_experiments);
  g->slots = g_new0 (struct slot, n_experiments);
  g->n = n_experiments;
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
      g->pending++;
      run_experiment (experiments[i].name, experiments[i].seconds, one_done, &g->slots[i]);
    }
}

static void print_results(const Experiment *results, gsize n_results, gpointer user_data)
{
    GMainLoop *loop = user_data;
    GString *line = g_string_new("All done: [");
    const char *sep = "";
    gsize i;

    for (i = 0; i < n_results; i++) {
        g_string_append_printf(line, "%s('%s', %u)", sep, results[i].name, results[i].seconds);
        sep = ", ";
    }
    g_string_append(line, "]");
    g_print("%s\n", line->str);
    g_string_free(line, TRUE);
    g_main_loop_quit(loop);
}

int main(void)
{
    const Experiment experiments[] = {
        { "exp_small", 1 },
        { "exp_medium", 2 },
        { "exp_large", 3 },
    };
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);

    gather_experiments(experiments, G_N_ELEMENTS(experiments), print_results, loop);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    return 0;
}
