// variant: a GApplication without an id runs the loop, and is held until the report
#include <gio/gio.h>
#include "experiments.h"

typedef struct { const char *name; guint seconds; ExperimentDone done; gpointer user_data; } Exp;

static gboolean
exp_timeout (gpointer data)
{
  g_autofree Exp *exp = g_steal_pointer (&data);
  g_print ("[%s] finished after %u seconds\n", exp->name, exp->seconds);
  exp->done (exp->name, exp->seconds, exp->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Exp *exp = g_new0 (Exp, 1);
  exp->name = name;
  exp->seconds = seconds;
  exp->done = done;
  exp->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, exp_timeout, exp);
}

typedef struct { GList *members; gsize n; gsize pending; GatherDone done; gpointer user_data; } Gather;
typedef struct { Gather *gather; Experiment result; } Member;

static gboolean
gather_finish (gpointer data)
{
  Gather *gather = data;
  g_autofree Experiment *results = g_new0 (Experiment, gather->n);
  gsize i = 0;
  gather->members = g_list_reverse (gather->members);
  for (GList *l = gather->members; l; l = l->next)
    results[i++] = ((Member *) l->data)->result;
  gather->done (results, gather->n, gather->user_data);
  g_list_free_full (gather->members, g_free);
  g_free (gather);
  return G_SOURCE_REMOVE;
}

static void
member_finished (const char *name, guint seconds, gpointer data)
{
  Member *m = data;
  m->result.name = name;
  m->result.seconds = seconds;
  if (--m->gather->pending == 0)
    gather_finish (m->gather);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data)
{
  Gather *gather = g_new0 (Gather, 1);
  gather->n = gather->pending = n_experiments;
  gather->done = done;
  gather->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++)
    {
      Member *m = g_new0 (Member, 1);
      m->gather = gather;
      gather->members = g_list_prepend (gather->members, m);
      run_experiment (experiments[i].name, experiments[i].seconds, member_finished, m);
    }
  if (n_experiments == 0)
    g_idle_add (gather_finish, gather);
}

static void
on_gathered (const Experiment *results, gsize n, gpointer app)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n; i++)
    g_print ("%s('%s', %u)", i ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  g_application_release (app);
}

static void
activate (GApplication *app, gpointer unused)
{
  static const Experiment e[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  g_application_hold (app);
  gather_experiments (e, G_N_ELEMENTS (e), on_gathered, app);
}

int
main (void)
{
  g_autoptr (GApplication) app = g_application_new (NULL, 0);
  g_signal_connect (app, "activate", G_CALLBACK (activate), NULL);
  return g_application_run (app, 0, NULL);
}
