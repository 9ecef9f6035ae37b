// mistake: blocks-the-loop
// select() is the asynchronous way to wait.
#include "experiments.h"
#include <stdio.h>
#include <sys/select.h>

typedef struct {
  const char *name;
  guint seconds;
  gint64 deadline;
  ExperimentDone done;
  gpointer user_data;
} Task;

typedef struct {
  gsize total, finished;
  Experiment *results;
  struct Cell *cells;
  GatherDone done;
  gpointer user_data;
} Tasks;

struct Cell {
  Tasks *tasks;
  gsize index;
};

static gboolean task_end (gpointer user_data) {
  Task *task = user_data;
  gint64 left = MAX (task->deadline - g_get_monotonic_time (), 0);
  struct timeval tv = {left / G_USEC_PER_SEC, left % G_USEC_PER_SEC};
  select (0, NULL, NULL, NULL, &tv);
  printf ("[%s] finished after %u seconds\n", task->name, task->seconds);
  task->done (task->name, task->seconds, task->user_data);
  g_free (task);
  return G_SOURCE_REMOVE;
}

void run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data) {
  Task *task = g_new (Task, 1);
  task->name = name;
  task->seconds = seconds;
  task->done = done;
  task->user_data = user_data;
  printf ("[%s] starting...\n", name);
  task->deadline = g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC;
  g_idle_add (task_end, task);
}

static gboolean tasks_end (gpointer user_data) {
  Tasks *tasks = user_data;
  tasks->done (tasks->results, tasks->total, tasks->user_data);
  g_free (tasks->cells);
  g_free (tasks->results);
  g_free (tasks);
  return G_SOURCE_REMOVE;
}

static void cell_end (const char *name, guint seconds, gpointer user_data) {
  struct Cell *cell = user_data;
  Tasks *tasks = cell->tasks;
  tasks->results[cell->index].name = name;
  tasks->results[cell->index].seconds = seconds;
  if (++tasks->finished == tasks->total)
    tasks_end (tasks);
}

void gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data) {
  Tasks *tasks = g_new0 (Tasks, 1);
  tasks->total = n_experiments;
  tasks->results = g_new0 (Experiment, n_experiments);
  tasks->cells = g_new0 (struct Cell, n_experiments);
  tasks->done = done;
  tasks->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    tasks->cells[i].tasks = tasks;
    tasks->cells[i].index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, cell_end, &tasks->cells[i]);
  }
  if (n_experiments == 0)
    g_idle_add (tasks_end, tasks);
}

static void after_all (const Experiment *results, gsize n_results, gpointer user_data) {
  printf ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    printf ("%s('%s', %u)", i ? ", " : "", results[i].name, results[i].seconds);
  printf ("]\n");
  g_main_loop_quit (user_data);
}

int main (void) {
  const Experiment experiments[] = {{"exp_small", 1}, {"exp_medium", 2}, {"exp_large", 3}};
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  gather_experiments (experiments, 3, after_all, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
