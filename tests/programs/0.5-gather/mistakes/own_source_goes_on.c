// mistake: timer-repeats
#include "experiments.h"
#include <gio/gio.h>

/* an own kind of GSource: the experiment *is* the source */
typedef struct {
  GSource base;
  const char *title;
  guint secs;
  ExperimentDone on_done;
  void *closure;
} ExperimentSource;

static gboolean
experiment_source_dispatch (GSource *source, GSourceFunc func, gpointer data)
{
  ExperimentSource *es = (ExperimentSource *) source;
  (void) func;
  (void) data;
  g_print ("[%s] finished after %u seconds\n", es->title, es->secs);
  es->on_done (es->title, es->secs, es->closure);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs experiment_source_funcs = {
  .dispatch = experiment_source_dispatch,
};

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  GSource *source = g_source_new (&experiment_source_funcs, sizeof (ExperimentSource));
  ExperimentSource *es = (ExperimentSource *) source;
  es->title = name;
  es->secs = seconds;
  es->on_done = done;
  es->closure = user_data;
  g_print ("[%s] starting...\n", name);
  g_source_set_ready_time (source, g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC);
  g_source_attach (source, NULL);
  g_source_unref (source);
}

/* A reference-counted gather: every experiment holds one reference, and so does the start;
 * the report is what happens when the last reference goes. */
typedef struct {
  GArray *results;
  GatherDone done;
  gpointer done_data;
} Group;

typedef struct {
  Group *group;
  guint position;
} Member;

static void
group_clear (gpointer p)
{
  Group *group = p;
  group->done ((const Experiment *) (gpointer) group->results->data, group->results->len, group->done_data);
  g_array_unref (group->results);
}

static void
member_finished (const char *name, guint seconds, gpointer p)
{
  Member *member = p;
  Experiment *slot = &g_array_index (member->group->results, Experiment, member->position);
  slot->seconds = seconds;
  (void) name; /* ours is the caller's own pointer, valid for longer */
  g_rc_box_release_full (member->group, group_clear);
  g_free (member);
}

static gboolean
release_start (gpointer p)
{
  g_rc_box_release_full (p, group_clear);
  return G_SOURCE_REMOVE;
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Group *group = g_rc_box_new0 (Group);
  group->results = g_array_sized_new (FALSE, TRUE, sizeof (Experiment), n_experiments);
  if (n_experiments > 0)
    g_array_append_vals (group->results, experiments, n_experiments);
  group->done = done;
  group->done_data = user_data;
  for (guint i = 0; i < n_experiments; i++) {
    Member *member = g_new (Member, 1);
    member->group = g_rc_box_acquire (group);
    member->position = i;
    run_experiment (experiments[i].name, experiments[i].seconds, member_finished, member);
  }
  g_idle_add (release_start, group);
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
