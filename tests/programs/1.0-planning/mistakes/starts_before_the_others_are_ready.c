// mistake: list-order-start
// Whatever becomes ready starts if there is a place, before the rest of the same moment is looked at.
/* Tasks, and a pairing heap of those that may start. */
#include "plan.h"

/* ---- Given: one step is one experiment of module 0.5 ---- */

typedef struct {
  const char *name;
  guint seconds;
  StepDone done;
  gpointer user_data;
} RunningStep;

static gboolean
on_time_is_up (gpointer user_data)
{
  g_autofree RunningStep *running = user_data;

  g_print ("[%s] finished after %u seconds\n", running->name, running->seconds);
  running->done (running->user_data);
  return G_SOURCE_REMOVE;
}

void
run_step (const char *name, guint seconds, StepDone done, gpointer user_data)
{
  RunningStep *running = g_new (RunningStep, 1);

  *running = (RunningStep){ name, seconds, done, user_data };
  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, on_time_is_up, running);
}

typedef struct _Task Task;
typedef struct _Project Project;

struct _Task {
  Project *project;
  char *name; /* a copy */
  gsize index;
  guint seconds;
  GSList *followers;
  GSList *needs;
  gsize n_followers;
  gsize open_needs;
  gsize open_followers;
  guint64 rest;
  Task *longest_follower;
  gint64 start_us, end_us;
  /* in the heap */
  Task *child, *brother;
};

struct _Project {
  GPtrArray *tasks;
  Task *heap;
  gboolean by_rest; /* otherwise by index */
  guint max_parallel;
  guint active;
  gsize finished;
  gint64 t0;
  PlanDone done;
  gpointer user_data;
};

static void
task_free (Task *task)
{
  g_slist_free (task->followers);
  g_slist_free (task->needs);
  g_free (task->name);
  g_free (task);
}

static void
project_free (Project *project)
{
  g_ptr_array_free (project->tasks, TRUE);
  g_free (project);
}

#define TASK(project, i) ((Task *) (project)->tasks->pdata[i])

static Task *
meld (const Project *project, Task *a, Task *b)
{
  gboolean swap;

  if (a == NULL)
    return b;
  if (b == NULL)
    return a;
  if (project->by_rest && a->rest != b->rest)
    swap = b->rest > a->rest;
  else
    swap = b->index < a->index;
  if (swap) {
    Task *c = a;
    a = b;
    b = c;
  }
  b->brother = a->child;
  a->child = b;
  return a;
}

static void
heap_add (Project *project, Task *task)
{
  task->child = task->brother = NULL;
  project->heap = meld (project, project->heap, task);
}

static Task *
heap_remove (Project *project)
{
  Task *top = project->heap;
  Task *pairs = NULL;
  Task *rest = NULL;

  if (top == NULL)
    return NULL;
  /* First pass: two by two, onto a stack; second pass: all in one. */
  for (Task *a = top->child; a != NULL;) {
    Task *b = a->brother;
    Task *next = b != NULL ? b->brother : NULL;

    a->brother = NULL;
    if (b != NULL)
      b->brother = NULL;
    a = meld (project, a, b);
    a->brother = pairs;
    pairs = a;
    a = next;
  }
  while (pairs != NULL) {
    Task *next = pairs->brother;

    pairs->brother = NULL;
    rest = meld (project, rest, pairs);
    pairs = next;
  }
  project->heap = rest;
  return top;
}

static void
heap_fill (Project *project)
{
  project->heap = NULL;
  for (gsize i = 0; i < project->tasks->len; i++)
    if (TASK (project, i)->open_needs == 0)
      heap_add (project, TASK (project, i));
}

static Project *
project_parse (const Step *steps, gsize n_steps, GError **error)
{
  Project *project = g_new0 (Project, 1);
  GHashTable *names = g_hash_table_new (g_str_hash, g_str_equal);

  project->t0 = g_get_monotonic_time ();
  project->tasks = g_ptr_array_new_full (n_steps, (GDestroyNotify) task_free);
  for (gsize i = 0; i < n_steps; i++) {
    Task *task = g_new0 (Task, 1);

    task->project = project;
    task->name = g_strdup (steps[i].name);
    task->seconds = steps[i].seconds;
    task->index = i;
    g_ptr_array_add (project->tasks, task);
    if (g_hash_table_lookup (names, task->name) != NULL) {
      g_set_error (error, PLAN_ERROR, PLAN_ERROR_DUPLICATE_NAME, "Two steps: %s",
                   task->name);
      goto bad;
    }
    g_hash_table_insert (names, task->name, task);
  }
  for (gsize i = 0; i < n_steps; i++) {
    Task *task = TASK (project, i);

    for (const char *const *s = steps[i].needs; s != NULL && *s != NULL; s++) {
      Task *other = g_hash_table_lookup (names, *s);

      if (other == task) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_SELF_NEED, "%s needs %s", *s, *s);
        goto bad;
      }
      if (other == NULL) {
        g_set_error (error, PLAN_ERROR, PLAN_ERROR_UNKNOWN_NEED, "Where is %s, for %s?", *s,
                     task->name);
        goto bad;
      }
      other->followers = g_slist_prepend (other->followers, task);
      other->n_followers++;
      task->needs = g_slist_prepend (task->needs, other);
      task->open_needs++;
    }
  }
  g_hash_table_unref (names);
  return project;

bad:
  g_hash_table_unref (names);
  project_free (project);
  return NULL;
}

/* Takes the plan to pieces from its end: whoever has no followers left is done.  If
 * some tasks cannot be taken off, there is a cycle before them, or they are on it. */
static gboolean
project_measure (Project *project, GError **error)
{
  GQueue free_tasks = G_QUEUE_INIT;
  gsize n_taken = 0;
  Task *task;

  for (gsize i = 0; i < project->tasks->len; i++) {
    task = TASK (project, i);
    task->open_followers = task->n_followers;
    if (task->open_followers == 0)
      g_queue_push_tail (&free_tasks, task);
  }
  while ((task = g_queue_pop_head (&free_tasks)) != NULL) {
    n_taken++;
    task->rest = task->seconds;
    if (task->longest_follower != NULL)
      task->rest += task->longest_follower->rest;
    for (GSList *l = task->needs; l != NULL; l = l->next) {
      Task *need = l->data;

      if (need->longest_follower == NULL || need->longest_follower->rest < task->rest)
        need->longest_follower = task;
      if (--need->open_followers == 0)
        g_queue_push_tail (&free_tasks, need);
    }
  }
  if (n_taken == project->tasks->len)
    return TRUE;

  /* Each task left has a follower left: going from follower to follower we get to a
   * circle, against the arrows, so the names are put in front. */
  GHashTable *met = g_hash_table_new (NULL, NULL);
  GSList *names = NULL;
  gsize i = 0;

  while (TASK (project, i)->open_followers == 0)
    i++;
  task = TASK (project, i);
  while (g_hash_table_add (met, task))
    for (GSList *l = task->followers; l != NULL; l = l->next)
      if (((Task *) l->data)->open_followers > 0) {
        task = l->data;
        break;
      }

  Task *first = task;
  names = g_slist_prepend (names, task->name);
  do {
    GSList *l = task->followers;

    while (((Task *) l->data)->open_followers == 0)
      l = l->next;
    task = l->data;
    names = g_slist_prepend (names, task->name);
  } while (task != first);

  GString *message = g_string_new (names->data);
  for (GSList *l = names->next; l != NULL; l = l->next)
    g_string_append_printf (message, " needs %s", (const char *) l->data);
  g_set_error_literal (error, PLAN_ERROR, PLAN_ERROR_CYCLE, message->str);
  g_string_free (message, TRUE);
  g_slist_free (names);
  g_hash_table_unref (met);
  return FALSE;
}

static Project *
project_new (const Step *steps, gsize n_steps, GError **error)
{
  Project *project = project_parse (steps, n_steps, error);

  if (project != NULL && !project_measure (project, error)) {
    project_free (project);
    project = NULL;
  }
  return project;
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  Project *project = project_new (steps, n_steps, error);
  GArray *order = NULL;
  Task *task;

  if (project != NULL) {
    order = g_array_new (FALSE, FALSE, sizeof (gsize));
    heap_fill (project);
    while ((task = heap_remove (project)) != NULL) {
      g_array_append_val (order, task->index);
      for (GSList *l = task->followers; l != NULL; l = l->next)
        if (--((Task *) l->data)->open_needs == 0)
          heap_add (project, l->data);
    }
    project_free (project);
  }
  return order;
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  Project *project = project_new (steps, n_steps, error);
  GArray *path = NULL;
  Task *task = NULL;

  if (project != NULL) {
    path = g_array_new (FALSE, FALSE, sizeof (gsize));
    for (gsize i = 0; i < n_steps; i++)
      if (task == NULL || TASK (project, i)->rest > task->rest)
        task = TASK (project, i);
    *makespan_s = task ? task->rest : 0;
    for (; task != NULL; task = task->longest_follower)
      g_array_append_val (path, task->index);
    project_free (project);
  }
  return path;
}

static gboolean
project_report (gpointer data)
{
  Project *project = data;
  gsize n = project->tasks->len;
  StepTimes *times = g_new (StepTimes, n);

  for (gsize i = 0; i < n; i++) {
    const Task *task = TASK (project, i);

    times[i].name = task->name;
    times[i].start_ms = (task->start_us - project->t0) / 1000;
    times[i].end_ms = (task->end_us - project->t0) / 1000;
  }
  project->done (times, n, project->user_data);
  g_free (times);
  project_free (project);
  return FALSE;
}

static void project_start (Project *project);

/* Nothing holds up @task any more. */
static void
task_ready (Task *task)
{
  heap_add (task->project, task);
  project_start (task->project);
}

/* A task has finished: strike it off, and go on. */
static void
task_over (gpointer data)
{
  Task *task = data;
  Project *project = task->project;

  task->end_us = g_get_monotonic_time ();
  project->active--;
  project->finished++;
  for (GSList *l = task->followers; l != NULL; l = l->next) {
    Task *follower = l->data;

    follower->open_needs--;
    if (follower->open_needs == 0)
      task_ready (follower);
  }
  project_start (project);
  if (project->finished == project->tasks->len)
    project_report (project);
}

static void
project_start (Project *project)
{
  while (project->heap != NULL) {
    Task *task;

    if (project->max_parallel > 0 && project->active >= project->max_parallel)
      break;
    task = heap_remove (project);
    project->active++;
    task->start_us = g_get_monotonic_time ();
    run_step (task->name, task->seconds, task_over, task);
  }
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  Project *project = project_new (steps, n_steps, error);

  if (project == NULL)
    return FALSE;
  project->by_rest = TRUE;
  project->max_parallel = max_parallel;
  project->done = done;
  project->user_data = user_data;
  for (gsize i = 0; i < n_steps; i++)
    if (TASK (project, i)->open_needs == 0)
      task_ready (TASK (project, i));
  if (n_steps == 0)
    g_idle_add (project_report, project);
  return TRUE;
}

static void
plan_is_done (const StepTimes *times, gsize n_times, gpointer user_data)
{
  gint64 ms = 0;

  for (gsize i = 0; i < n_times; i++)
    ms = CLAMP (times[i].end_ms, ms, G_MAXINT64);
  g_print ("All done: %u steps in %u s\n", (guint) n_times, (guint) (ms + 100) / 1000);
  g_main_loop_quit ((GMainLoop *) user_data);
}

int
main (void)
{
  const Step steps[] = {
    { "ask_model", 1, NULL },
    { "search_web", 1, NEEDS ("ask_model") },
    { "search_papers", 2, NEEDS ("ask_model") },
    { "fetch_page", 4, NEEDS ("search_web") },
    { "fetch_data", 2, NEEDS ("search_web") },
    { "read_papers", 2, NEEDS ("search_papers") },
    { "compare", 1, NEEDS ("fetch_page", "fetch_data", "read_papers") },
    { "write_answer", 1, NEEDS ("compare") },
  };
  GError *error = NULL;
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  int exit_status = 1;
  guint64 longest;
  guint sum = 0;
  GArray *path = plan_critical_path (steps, G_N_ELEMENTS (steps), &longest, &error);

  if (path != NULL) {
    GString *line = g_string_new (NULL);

    for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
      sum += steps[i].seconds;
    g_string_printf (line, "One after another: %u s\nCritical path: %u s", sum,
                     (guint) longest);
    for (guint i = 0; i < path->len; i++) {
      g_string_append (line, i == 0 ? ", " : " -> ");
      g_string_append (line, steps[g_array_index (path, gsize, i)].name);
    }
    g_print ("%s\n", line->str);
    g_string_free (line, TRUE);
    g_array_unref (path);
    if (run_plan (steps, G_N_ELEMENTS (steps), 0, plan_is_done, loop, &error)) {
      g_main_loop_run (loop);
      exit_status = 0;
    }
  }
  if (error != NULL) {
    g_printerr ("plan: %s\n", error->message);
    g_error_free (error);
  }
  g_main_loop_unref (loop);
  return exit_status;
}
