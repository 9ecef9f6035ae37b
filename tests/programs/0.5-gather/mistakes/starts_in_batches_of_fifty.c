// mistake: sequential
// Not more than fifty at a time.
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

#define MAX_RUNNING 50
typedef struct { Experiment *todo; Experiment *results; gsize n, next, left; GatherDone done; gpointer data; } Pool;
typedef struct { Pool *pool; gsize i; } Item;
static void item_done (const char *name, guint seconds, gpointer p);
static void
pool_start_next (Pool *pool)
{
  Item *item = g_new (Item, 1);
  item->pool = pool;
  item->i = pool->next++;
  run_experiment (pool->todo[item->i].name, pool->todo[item->i].seconds, item_done, item);
}
static gboolean
pool_end (gpointer p)
{
  Pool *pool = p;
  pool->done (pool->results, pool->n, pool->data);
  g_free (pool->todo); g_free (pool->results); g_free (pool);
  return FALSE;
}
static void
item_done (const char *name, guint seconds, gpointer p)
{
  g_autofree Item *item = p;
  Pool *pool = item->pool;
  pool->results[item->i] = (Experiment) { name, seconds };
  if (pool->next < pool->n)
    pool_start_next (pool);
  if (--pool->left == 0)
    pool_end (pool);
}
void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data)
{
  Pool *pool = g_new0 (Pool, 1);
  pool->todo = g_memdup2 (experiments, n_experiments * sizeof *experiments);
  pool->results = g_new0 (Experiment, n_experiments);
  pool->n = pool->left = n_experiments;
  pool->done = done; pool->data = user_data;
  for (gsize i = 0; i < MIN (n_experiments, MAX_RUNNING); i++)
    pool_start_next (pool);
  if (!n_experiments) g_idle_add (pool_end, pool);
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
