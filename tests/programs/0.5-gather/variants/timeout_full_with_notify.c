// variant: g_timeout_add_full; a GDestroyNotify, not the callback, frees the context
#include "experiments.h"

typedef struct
{
  gchar *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} ExperimentContext;

static void
experiment_context_free (gpointer data)
{
  ExperimentContext *ctx = data;

  g_free (ctx->name);
  g_free (ctx);
}

static gboolean
experiment_timeout_cb (gpointer data)
{
  ExperimentContext *ctx = data;

  g_print ("[%s] finished after %u seconds\n", ctx->name, ctx->seconds);
  ctx->done (ctx->name, ctx->seconds, ctx->user_data);

  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  ExperimentContext *ctx = g_new0 (ExperimentContext, 1);

  ctx->name = g_strdup (name);
  ctx->seconds = seconds;
  ctx->done = done;
  ctx->user_data = user_data;

  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, experiment_timeout_cb, ctx,
                      experiment_context_free);
}

typedef struct
{
  Experiment *results;
  gsize n_results;
  gsize n_finished;
  GatherDone done;
  gpointer user_data;
} GatherContext;

typedef struct
{
  GatherContext *gather;
  gsize index;
} GatherItem;

static void
gather_context_free (gpointer data)
{
  GatherContext *gather = data;

  for (gsize i = 0; i < gather->n_results; i++)
    g_free ((gchar *) gather->results[i].name);
  g_free (gather->results);
  g_free (gather);
}

static gboolean
gather_finish_cb (gpointer data)
{
  GatherContext *gather = data;

  gather->done (gather->results, gather->n_results, gather->user_data);
  return G_SOURCE_REMOVE;
}

static void
gather_item_cb (const char *name, guint seconds, gpointer user_data)
{
  g_autofree GatherItem *item = user_data;
  GatherContext *gather = item->gather;

  gather->results[item->index].name = g_strdup (name);
  gather->results[item->index].seconds = seconds;
  gather->n_finished++;

  if (gather->n_finished == gather->n_results)
    {
      gather_finish_cb (gather);
      gather_context_free (gather);
    }
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  GatherContext *gather = g_new0 (GatherContext, 1);

  gather->results = g_new0 (Experiment, n_experiments);
  gather->n_results = n_experiments;
  gather->done = done;
  gather->user_data = user_data;

  if (n_experiments == 0)
    {
      g_idle_add_full (G_PRIORITY_DEFAULT, gather_finish_cb, gather, gather_context_free);
      return;
    }

  for (gsize i = 0; i < n_experiments; i++)
    {
      GatherItem *item = g_new0 (GatherItem, 1);

      item->gather = gather;
      item->index = i;
      run_experiment (experiments[i].name, experiments[i].seconds, gather_item_cb, item);
    }
}

static void
print_results (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_autoptr (GString) line = g_string_new ("All done: [");

  for (gsize i = 0; i < n_results; i++)
    {
      if (i > 0)
        g_string_append (line, ", ");
      g_string_append_printf (line, "('%s', %u)", results[i].name, results[i].seconds);
    }
  g_string_append_c (line, ']');
  g_print ("%s\n", line->str);
  g_main_loop_quit ((GMainLoop *) user_data);
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

  gather_experiments (experiments, G_N_ELEMENTS (experiments), print_results, loop);
  g_main_loop_run (loop);
  return 0;
}
