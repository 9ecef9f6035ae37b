// mistake: wrong-unit
// Milliseconds inside, divided again where they are printed in the end.
#include "experiments.h"

typedef struct {
  gchar *label;
  guint duration;
  ExperimentDone callback;
  gpointer closure;
} SleepData;

static void
sleep_finished (gpointer data)
{
  SleepData *sd = data;

  g_print ("[%s] finished after %u seconds\n", sd->label, sd->duration);
  sd->callback (sd->label, sd->duration * 1000, sd->closure);
  g_free (sd->label);
  g_slice_free (SleepData, sd);
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  SleepData *sd = g_slice_new0 (SleepData);

  sd->label = g_strdup (name);
  sd->duration = seconds;
  sd->callback = done;
  sd->closure = user_data;
  g_print ("[%s] starting...\n", sd->label);
  g_timeout_add_once (seconds * 1000, sleep_finished, sd);
}

/* promise_all: one array of results, one small block per member */
struct all {
  GArray *values;
  guint remaining;
  GatherDone then;
  void *ctx;
};

struct member {
  struct all *all;
  guint nth;
};

static void
all_settle (struct all *all)
{
  all->then ((const Experiment *) (void *) all->values->data, all->values->len, all->ctx);
  g_array_unref (all->values);
  g_free (all);
}

static gboolean
all_settle_empty (gpointer data)
{
  all_settle (data);
  return G_SOURCE_REMOVE;
}

static void
member_resolved (const char *name, guint seconds, gpointer data)
{
  struct member *m = data;
  struct all *all = m->all;

  g_array_index (all->values, Experiment, m->nth).seconds = seconds;
  g_free (m);
  if (--all->remaining == 0)
    all_settle (all);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  struct all *all = g_new (struct all, 1);

  all->values = g_array_new (FALSE, FALSE, sizeof (Experiment));
  all->remaining = n_experiments;
  all->then = done;
  all->ctx = user_data;
  for (guint i = 0; i < n_experiments; i++) {
    struct member *m = g_new (struct member, 1);

    m->all = all;
    m->nth = i;
    g_array_append_val (all->values, experiments[i]);
    run_experiment (experiments[i].name, experiments[i].seconds, member_resolved, m);
  }
  if (n_experiments == 0)
    g_idle_add (all_settle_empty, all);
}

typedef struct {
  GMainLoop *loop;
} App;

static void
app_print (const Experiment *list, gsize count, gpointer data)
{
  App *app = data;
  GString *text = g_string_new ("All done: [");

  for (gsize k = 0; k < count; k++) {
    if (k != 0)
      g_string_append (text, ", ");
    g_string_append_printf (text, "('%s', %u)", list[k].name, list[k].seconds / 1000);
  }
  g_string_append_c (text, ']');
  g_print ("%s\n", text->str);
  g_string_free (text, TRUE);
  g_main_loop_quit (app->loop);
}

int
main (int argc, char *argv[])
{
  App app = { NULL };
  Experiment list[3] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };

  app.loop = g_main_loop_new (NULL, FALSE);
  gather_experiments (list, 3, app_print, &app);
  g_main_loop_run (app.loop);
  g_main_loop_unref (app.loop);
  return 0;
}
