// mistake: uses-threads
// A child process sleeps, and GLib tells me when it is over.
#include "experiments.h"
#include <unistd.h>

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer data;
} Job;

typedef struct {
  GatherDone done;
  gpointer data;
  gsize n;
  gsize left;
  Experiment *results;
} Batch;

typedef struct {
  Batch *batch;
  gsize pos;
} Ticket;

static void
job_finished (GPid pid, gint status, gpointer p)
{
  Job *job = p;

  g_print ("[%s] finished after %u seconds\n", job->name, job->seconds);
  job->done (job->name, job->seconds, job->data);
  g_free (job);
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Job *job = g_new0 (Job, 1);
  GPid pid;

  job->name = name;
  job->seconds = seconds;
  job->done = done;
  job->data = user_data;
  g_print ("[%s] starting...\n", name);
  pid = fork ();
  if (pid == 0) {
    sleep (seconds);
    _exit (0);
  }
  g_child_watch_add (pid, job_finished, job);
}

static gboolean
batch_report (gpointer p)
{
  Batch *batch = p;

  batch->done (batch->results, batch->n, batch->data);
  g_free (batch->results);
  g_free (batch);
  return FALSE;
}

static void
ticket_done (const char *name, guint seconds, gpointer p)
{
  Ticket *ticket = p;
  Batch *batch = ticket->batch;

  batch->results[ticket->pos].name = name;
  batch->results[ticket->pos].seconds = seconds;
  g_free (ticket);
  batch->left -= 1;
  if (batch->left == 0)
    batch_report (batch);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Batch *batch = g_new0 (Batch, 1);

  batch->done = done;
  batch->data = user_data;
  batch->n = n_experiments;
  batch->left = n_experiments;
  batch->results = g_new0 (Experiment, n_experiments);
  if (n_experiments == 0)
    g_idle_add (batch_report, batch);

  for (gsize i = 0; i < n_experiments; i++) {
    Ticket *ticket = g_new (Ticket, 1);

    ticket->batch = batch;
    ticket->pos = i;
    run_experiment (experiments[i].name, experiments[i].seconds, ticket_done, ticket);
  }
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
  g_main_loop_quit (user_data);
}

int
main (void)
{
  Experiment todo[3] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (todo, 3, all_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
