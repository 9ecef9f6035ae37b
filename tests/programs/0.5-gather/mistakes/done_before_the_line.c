// mistake: output-differs
#include "experiments.h"
#include <gio/gio.h>

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer data;
} Run;

static gboolean
run_over (gpointer p)
{
  Run *run = p;

  run->done (run->name, run->seconds, run->data);
  g_print ("[%s] finished after %u seconds\n", run->name, run->seconds);
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
  run->data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, run_over, run);
}

/* pending: the set of tokens that have not come back yet */
typedef struct {
  GHashTable *pending;
  GPtrArray *results; /* of Experiment */
  GatherDone done;
  gpointer user_data;
} Collector;

typedef struct {
  Collector *collector;
  Experiment *result;
} Token;

static gboolean
collector_finish (gpointer data)
{
  Collector *c = data;
  gsize n = c->results->len;
  Experiment *flat = g_new0 (Experiment, n + 1);
  for (gsize i = 0; i < n; i++)
    flat[i] = *(Experiment *) g_ptr_array_index (c->results, i);
  c->done (flat, n, c->user_data);
  g_free (flat);
  g_hash_table_destroy (c->pending);
  g_ptr_array_unref (c->results);
  g_free (c);
  return G_SOURCE_REMOVE;
}

static void
token_back (const char *name, guint seconds, gpointer data)
{
  Token *token = data;
  Collector *c = token->collector;
  token->result->seconds = seconds;
  (void) name;
  g_hash_table_remove (c->pending, token); /* frees the token */
  if (g_hash_table_size (c->pending) == 0)
    g_idle_add (collector_finish, c);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Collector *c = g_new0 (Collector, 1);
  c->pending = g_hash_table_new_full (NULL, NULL, g_free, NULL);
  c->results = g_ptr_array_new_with_free_func (g_free);
  c->done = done;
  c->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Token *token = g_new0 (Token, 1);
    token->collector = c;
    token->result = g_new (Experiment, 1);
    *token->result = experiments[i];
    g_ptr_array_add (c->results, token->result);
    g_hash_table_add (c->pending, token);
    run_experiment (experiments[i].name, experiments[i].seconds, token_back, token);
  }
  if (n_experiments == 0)
    g_idle_add (collector_finish, c);
}

typedef struct { GMainLoop *loop; GString *text; } App;

static void
show (const Experiment *results, gsize n_results, gpointer user_data)
{
  App *app = user_data;
  g_string_assign (app->text, "All done: [");
  for (const Experiment *e = results; e < results + n_results; e++)
    g_string_append_printf (app->text, "%s('%s', %u)", e == results ? "" : ", ", e->name,
                            e->seconds);
  g_string_append (app->text, "]\n");
  g_print ("%s", app->text->str);
  g_main_loop_quit (app->loop);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  App app = { g_main_loop_new (NULL, FALSE), g_string_new (NULL) };

  gather_experiments (experiments, 3, show, &app);
  g_main_loop_run (app.loop);

  g_main_loop_unref (app.loop);
  g_string_free (app.text, TRUE);
  return 0;
}
