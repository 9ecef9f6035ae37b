// variant: Ctrl-C ends the loop politely, by a worker thread that GLib starts for itself
#include "experiments.h"
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>

/* Ctrl-C quits politely. */

typedef struct { GMainLoop *loop; guint sigint; gboolean interrupted; } Program;

typedef struct { const char *name; guint seconds; ExperimentDone done; gpointer user_data; } Running;

static gboolean time_is_up (gpointer user_data)
{
  Running *r = user_data;
  fprintf (stdout, "[%s] finished after %u seconds\n", r->name, r->seconds);
  fflush (stdout);
  r->done (r->name, r->seconds, r->user_data);
  return G_SOURCE_REMOVE;
}

void run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Running *r = g_new (Running, 1);
  r->name = name; r->seconds = seconds; r->done = done; r->user_data = user_data;
  fprintf (stdout, "[%s] starting...\n", name);
  fflush (stdout);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000, time_is_up, r, g_free);
}

typedef struct {
  guint ref_count;
  gsize n;
  Experiment *results;
  GatherDone done;
  gpointer user_data;
} Gather;

typedef struct { Gather *gather; gsize i; } Member;

static void gather_unref (gpointer data)
{
  Gather *g = data;
  if (--g->ref_count > 0)
    return;
  g->done (g->results, g->n, g->user_data);
  g_free (g->results);
  g_free (g);
}

static void member_done (const char *name, guint seconds, gpointer user_data)
{
  Member *m = user_data;
  m->gather->results[m->i].name = name;
  m->gather->results[m->i].seconds = seconds;
  gather_unref (m->gather);
  g_free (m);
}

static gboolean nop (gpointer unused) { (void) unused; return G_SOURCE_REMOVE; }

void gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data)
{
  Gather *g = g_new (Gather, 1);
  g->ref_count = 1 + n_experiments;
  g->n = n_experiments;
  g->results = g_new0 (Experiment, n_experiments);
  g->done = done;
  g->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++)
    {
      Member *m = g_new (Member, 1);
      m->gather = g;
      m->i = i;
      run_experiment (experiments[i].name, experiments[i].seconds, member_done, m);
    }
  g_idle_add_full (G_PRIORITY_DEFAULT, nop, g, gather_unref);
}

static void report (const Experiment *results, gsize n, gpointer user_data)
{
  Program *p = user_data;
  printf ("All done: [");
  for (gsize i = 0; i < n; i++)
    printf ("%s('%s', %u)", i ? ", " : "", results[i].name, results[i].seconds);
  printf ("]\n");
  g_main_loop_quit (p->loop);
}

static gboolean on_sigint (gpointer user_data)
{
  Program *p = user_data;
  p->interrupted = TRUE;
  g_printerr ("interrupted\n");
  g_main_loop_quit (p->loop);
  return G_SOURCE_CONTINUE;
}

int main (void)
{
  Program p = { 0 };
  const Experiment e[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  p.loop = g_main_loop_new (NULL, FALSE);
  p.sigint = g_unix_signal_add (SIGINT, on_sigint, &p);
  gather_experiments (e, G_N_ELEMENTS (e), report, &p);
  g_main_loop_run (p.loop);
  g_source_remove (p.sigint);
  g_main_loop_unref (p.loop);
  return p.interrupted ? 130 : 0;
}
