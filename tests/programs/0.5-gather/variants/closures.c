// variant: GClosures: the timer calls one, with the context bound to it
#include "experiments.h"
#include <glib-object.h>

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Call;

static void
call_free (gpointer data, GClosure *closure)
{
  g_free (data);
}

static gboolean
call_now (gpointer data)
{
  Call *call = data;

  g_print ("[%s] finished after %u seconds\n", call->name, call->seconds);
  call->done (call->name, call->seconds, call->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Call *call = g_new (Call, 1);
  GSource *source = g_timeout_source_new (seconds * 1000);

  *call = (Call){ .name = name, .seconds = seconds, .done = done, .user_data = user_data };
  g_print ("[%s] starting...\n", name);
  g_source_set_closure (source, g_cclosure_new (G_CALLBACK (call_now), call, call_free));
  g_source_attach (source, NULL);
  g_source_unref (source);
}

typedef struct {
  gsize n_results;
  gsize n_left;
  GatherDone done;
  gpointer user_data;
  Experiment results[];
} Gather;

typedef struct {
  Gather *gather;
  gsize i;
} Index;

static gboolean
tell (gpointer data)
{
  Gather *gather = data;

  gather->done (gather->results, gather->n_results, gather->user_data);
  g_free (gather);
  return G_SOURCE_REMOVE;
}

static void
collect (const char *name, guint seconds, gpointer user_data)
{
  Index *index = user_data;
  Gather *gather = index->gather;

  gather->results[index->i] = (Experiment){ name, seconds };
  g_free (index);
  if (--gather->n_left == 0)
    tell (gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Gather *gather = g_malloc0 (sizeof (Gather) + n_experiments * sizeof (Experiment));

  gather->n_results = n_experiments;
  gather->n_left = n_experiments;
  gather->done = done;
  gather->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Index *index = g_new (Index, 1);

    index->gather = gather;
    index->i = i;
    run_experiment (experiments[i].name, experiments[i].seconds, collect, index);
  }
  if (n_experiments == 0)
    g_idle_add (tell, gather);
}

static void
print_line (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i ? ", " : "", results[i].name, results[i].seconds);
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

  gather_experiments (experiments, G_N_ELEMENTS (experiments), print_line, loop);
  g_main_loop_run (loop);
  return 0;
}
