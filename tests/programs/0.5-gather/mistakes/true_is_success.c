// mistake: timer-repeats
// TRUE means success, as everywhere.
#include <stdlib.h>
#include "experiments.h"

/* one experiment */
typedef struct
{
  char          *label;
  guint          secs;
  ExperimentDone cb;
  gpointer       cb_data;
} Exp;

static void
exp_free (Exp *e)
{
  g_free (e->label);
  g_slice_free (Exp, e);
}

static gboolean
exp_fire (gpointer p)
{
  Exp *e = p;
  g_print ("[%s] finished after %u seconds\n", e->label, e->secs);
  e->cb (e->label, e->secs, e->cb_data);
  exp_free (e);
  return TRUE;   /* success */
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Exp *e = g_slice_new0 (Exp);
  e->label = g_strdup (name);
  e->secs = seconds;
  e->cb = done;
  e->cb_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add (1000 * seconds, exp_fire, e);
}

/* many */
typedef struct
{
  GArray    *out;
  gsize      left;
  GatherDone cb;
  gpointer   cb_data;
} Batch;

typedef struct
{
  Batch *batch;
  gsize  at;
} Ticket;

static void
batch_report (Batch *b)
{
  b->cb ((const Experiment *) b->out->data, b->out->len, b->cb_data);
  g_array_free (b->out, TRUE);
  g_free (b);
}

static gboolean
batch_report_idle (gpointer p)
{
  batch_report (p);
  return FALSE;
}

static void
ticket_done (const char *name, guint seconds, gpointer p)
{
  Ticket *t = p;
  Batch *b = t->batch;
  g_array_index (b->out, Experiment, t->at).seconds = seconds;
  g_free (t);
  if (--b->left == 0)
    batch_report (b);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Batch *b = g_new0 (Batch, 1);
  b->out = g_array_new (FALSE, TRUE, sizeof (Experiment));
  b->left = n_experiments;
  b->cb = done;
  b->cb_data = user_data;
  g_array_append_vals (b->out, experiments, n_experiments);

  if (n_experiments == 0)
    {
      g_idle_add (batch_report_idle, b);
      return;
    }

  for (gsize i = 0; i < n_experiments; i++)
    {
      Ticket *t = g_new (Ticket, 1);
      t->batch = b;
      t->at = i;
      run_experiment (experiments[i].name, experiments[i].seconds, ticket_done, t);
    }
}

static void
print_all (const Experiment *results, gsize n_results, gpointer user_data)
{
  GString *s = g_string_new ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    {
      if (i > 0)
        g_string_append (s, ", ");
      g_string_append_printf (s, "('%s', %u)", results[i].name, results[i].seconds);
    }
  g_string_append (s, "]\n");
  g_print ("%s", s->str);
  g_string_free (s, TRUE);
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
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  gather_experiments (experiments, G_N_ELEMENTS (experiments), print_all, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return EXIT_SUCCESS;
}
