// mistake: done-twice
// The destroy notify calls done too, in case the callback did not.
#include "experiments.h"

typedef struct gather_state gather_state;

typedef struct {
  gather_state *state;
  Experiment answer;
  gboolean ready;
} item_t;

struct gather_state {
  GSList *items;
  gsize n;
  gboolean delivered;
  GatherDone cb;
  gpointer cb_data;
};

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone cb;
  gpointer cb_data;
} timer_t_;

static gboolean
timer_cb (gpointer p)
{
  timer_t_ *t = p;

  g_print ("[%s] finished after %u seconds\n", t->name, t->seconds);
  t->cb (t->name, t->seconds, t->cb_data);
  return FALSE;
}

static void
timer_notify (gpointer p)
{
  timer_t_ *t = p;

  t->cb (t->name, t->seconds, t->cb_data);
  g_free (t);
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  timer_t_ *t = g_new (timer_t_, 1);

  t->name = name;
  t->seconds = seconds;
  t->cb = done;
  t->cb_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, timer_cb, t, timer_notify);
}

static gboolean
all_ready (gather_state *s)
{
  for (GSList *l = s->items; l != NULL; l = l->next)
    if (!((item_t *) l->data)->ready)
      return FALSE;
  return TRUE;
}

static gboolean
deliver (gpointer p)
{
  gather_state *s = p;
  Experiment *results = g_new (Experiment, s->n);
  gsize i = 0;

  for (GSList *l = s->items; l != NULL; l = l->next)
    results[i++] = ((item_t *) l->data)->answer;
  s->cb (results, s->n, s->cb_data);
  g_free (results);
  g_slist_free_full (s->items, g_free);
  g_free (s);
  return FALSE;
}

static void
item_cb (const char *name, guint seconds, gpointer p)
{
  item_t *item = p;

  item->answer.name = name;
  item->answer.seconds = seconds;
  item->ready = TRUE;
  if (!item->state->delivered && all_ready (item->state)) {
    item->state->delivered = TRUE;
    g_idle_add (deliver, item->state);
  }
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  gather_state *s = g_new0 (gather_state, 1);
  GSList *l;
  gsize i;

  s->n = n_experiments;
  s->cb = done;
  s->cb_data = user_data;
  for (i = 0; i < n_experiments; i++) {
    item_t *item = g_new0 (item_t, 1);

    item->state = s;
    s->items = g_slist_prepend (s->items, item);
  }
  for (i = 0, l = s->items; l != NULL; l = l->next, i++)
    run_experiment (experiments[i].name, experiments[i].seconds, item_cb, l->data);
  if (s->items == NULL)
    g_idle_add (deliver, s);
}

static void
finale (const Experiment *results, gsize n_results, gpointer user_data)
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
  const Experiment ex[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (ex, 3, finale, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
