/* SPDX-License-Identifier: MIT
 *
 * Module 1.0, example: four steps in a diamond, each started by the last thing it needs.
 */
#include <glib.h>

static GMainLoop *loop;
static guint n_unfinished = 4;

// BEGIN plan
typedef struct {
  const char *name;
  guint delay_ms;
  guint n_pending;  /* how many of the steps it needs have not finished */
  int needed_by[3]; /* who must be told when it has, ended by -1 */
} Task;

static Task tasks[] = {
  { "boil water", 300, 0, { 2, -1 } },
  { "grind beans", 100, 0, { 2, -1 } },
  { "brew", 200, 2, { 3, -1 } },
  { "drink", 100, 1, { -1 } },
};
// END plan

static void start (Task *task);

// BEGIN finish
static gboolean
on_finished (gpointer user_data)
{
  Task *task = user_data;

  g_print ("%s is done\n", task->name);
  for (int *next = task->needed_by; *next >= 0; next++)
    if (--tasks[*next].n_pending == 0)
      start (&tasks[*next]);
  if (--n_unfinished == 0)
    g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}
// END finish

static void
start (Task *task)
{
  g_timeout_add (task->delay_ms, on_finished, task);
}

int
main (void)
{
  g_autoptr (GTimer) timer = g_timer_new ();

  loop = g_main_loop_new (NULL, FALSE);
  start (&tasks[0]);
  start (&tasks[1]);
  g_main_loop_run (loop);
  g_print ("all done after %.1f s\n", g_timer_elapsed (timer, NULL));
  g_main_loop_unref (loop);
  return 0;
}
