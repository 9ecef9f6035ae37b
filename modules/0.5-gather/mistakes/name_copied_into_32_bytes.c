// mistake: output-differs
// 32 bytes are enough for a name.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "experiments.h"

/****************************************************************
 *  Homework 0.5                                                *
 *  I copied the idea from a tutorial on callbacks              *
 ****************************************************************/

/* this struct has everything the callback needs */
struct ExperimentInfo
{
  char name[32];              /* copy of the name */
  guint seconds;                /* how long */
  ExperimentDone done;          /* who to call */
  gpointer user_data;           /* what to give them */
};

/* this is called by the loop */
static gboolean
experiment_callback (gpointer data)
{
  /* cast the data back */
  struct ExperimentInfo *info = (struct ExperimentInfo *) data;
  char *n = info->name;

  /* print */
  printf ("[%s] finished after %u seconds\n", n, info->seconds);

  /* tell them */
  info->done (n, info->seconds, info->user_data);

  /* free */
  free (info);

  /* don't repeat */
  return FALSE;
}

/* starts one experiment */
void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  /* get memory */
  struct ExperimentInfo *info = (struct ExperimentInfo *) calloc (1, sizeof (struct ExperimentInfo));

  /* fill it */
  strncpy (info->name, name, 31);
  info->seconds = seconds;
  info->done = done;
  info->user_data = user_data;

  /* say hello */
  fputs ("[", stdout);
  fputs (name, stdout);
  puts ("] starting...");

  /* schedule it: times 1000 because it is milliseconds! */
  g_timeout_add (seconds * 1000, experiment_callback, info);
}

/* the state of one gather */
struct GatherInfo
{
  Experiment *results;          /* array */
  int *finished;                /* 1 if results[i] is there */
  gsize n;                      /* how many */
  GatherDone done;
  gpointer user_data;
};

struct GatherChild
{
  struct GatherInfo *parent;
  gsize number;
};

/* are all finished? loop over the flags */
static int
all_finished (struct GatherInfo *info)
{
  gsize i;
  for (i = 0; i < info->n; i++)
    if (info->finished[i] == 0)
      return 0;
  return 1;
}

static void
finish_gather (struct GatherInfo *info)
{
  info->done (info->results, info->n, info->user_data);
  free (info->results);
  free (info->finished);
  free (info);
}

static gboolean
finish_gather_later (gpointer data)
{
  finish_gather ((struct GatherInfo *) data);
  return FALSE;
}

static void
child_finished (const char *name, guint seconds, gpointer data)
{
  struct GatherChild *child = (struct GatherChild *) data;
  struct GatherInfo *info = child->parent;
  (void) name;
  (void) seconds;
  info->finished[child->number] = 1;
  free (child);
  if (all_finished (info) == 1)
    finish_gather (info);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data)
{
  gsize i;
  struct GatherInfo *info = (struct GatherInfo *) malloc (sizeof (struct GatherInfo));
  info->results = (Experiment *) calloc (n_experiments + 1, sizeof (Experiment));
  info->finished = (int *) calloc (n_experiments + 1, sizeof (int));
  info->n = n_experiments;
  info->done = done;
  info->user_data = user_data;
  /* the results are the arguments */
  for (i = 0; i < n_experiments; i++)
    info->results[i] = experiments[i];
  for (i = 0; i < n_experiments; i++)
    {
      struct GatherChild *child = (struct GatherChild *) malloc (sizeof (struct GatherChild));
      child->parent = info;
      child->number = i;
      run_experiment (info->results[i].name, info->results[i].seconds, child_finished, child);
    }
  if (n_experiments == 0)
    g_idle_add (finish_gather_later, info);
}

/* the end */
static void
everything_done (const Experiment *results, gsize n_results, gpointer data)
{
  gsize i;
  printf ("All done: [");
  for (i = 0; i < n_results; i++)
    {
      if (i > 0)
        printf (", ");
      printf ("('%s', %u)", results[i].name, results[i].seconds);
    }
  printf ("]\n");
  g_main_loop_quit ((GMainLoop *) data);
}

int
main (void)
{
  GMainLoop *loop;
  Experiment experiments[3];

  setlinebuf (stdout);
  experiments[0].name = "exp_small";
  experiments[0].seconds = 1;
  experiments[1].name = "exp_medium";
  experiments[1].seconds = 2;
  experiments[2].name = "exp_large";
  experiments[2].seconds = 3;
  loop = g_main_loop_new (NULL, FALSE);
  gather_experiments (experiments, 3, everything_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
