// mistake: hard-coded
// "The task is to run this plan, so I run this plan."
#include "plan.h"

#include <stdlib.h>

typedef struct {
  guint at_s;
  const char *line;
} Event;

static const Event EVENTS[] = {
  { 0, "One after another: 14 s" },
  { 0, "Critical path: 8 s, ask_model -> search_web -> fetch_page -> compare -> "
       "write_answer" },
  { 0, "[ask_model] starting..." },
  { 1, "[ask_model] finished after 1 seconds" },
  { 1, "[search_web] starting..." },
  { 1, "[search_papers] starting..." },
  { 2, "[search_web] finished after 1 seconds" },
  { 2, "[fetch_page] starting..." },
  { 2, "[fetch_data] starting..." },
  { 3, "[search_papers] finished after 2 seconds" },
  { 3, "[read_papers] starting..." },
  { 4, "[fetch_data] finished after 2 seconds" },
  { 5, "[read_papers] finished after 2 seconds" },
  { 6, "[fetch_page] finished after 4 seconds" },
  { 6, "[compare] starting..." },
  { 7, "[compare] finished after 1 seconds" },
  { 7, "[write_answer] starting..." },
  { 8, "[write_answer] finished after 1 seconds" },
  { 8, "All done: 8 steps in 8 s" },
};

static gboolean
print_event (gpointer data)
{
  const Event *event = data;

  g_print ("%s\n", event->line);
  return FALSE;
}

static gboolean
quit (gpointer data)
{
  g_main_loop_quit (data);
  return FALSE;
}

GArray *
plan_order (const Step *steps, gsize n_steps, GError **error)
{
  GArray *order = g_array_new (FALSE, FALSE, sizeof (gsize));

  for (gsize i = 0; i < 8; i++)
    g_array_append_val (order, i);
  return order;
}

GArray *
plan_critical_path (const Step *steps, gsize n_steps, guint64 *makespan_s, GError **error)
{
  GArray *path = g_array_new (FALSE, FALSE, sizeof (gsize));
  const gsize positions[] = { 0, 1, 3, 6, 7 };

  g_array_append_vals (path, positions, 5);
  *makespan_s = 8;
  return path;
}

gboolean
run_plan (const Step *steps, gsize n_steps, guint max_parallel, PlanDone done,
          gpointer user_data, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (EVENTS); i++)
    g_timeout_add (EVENTS[i].at_s * 1000, print_event, (gpointer) &EVENTS[i]);
  return TRUE;
}

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  run_plan (NULL, 8, 0, NULL, NULL, NULL);
  g_timeout_add (8000, quit, loop);
  g_main_loop_run (loop);
  return 0;
}
