/* SPDX-License-Identifier: MIT
 *
 * Module 1.0, the slow way: the same plan, one step after another.
 *
 * The steps stand in an order in which they can be done, so nothing more is needed than
 * to start the next one when one has finished.  But what could overlap does not: 14
 * seconds in place of 8.  `make demo` runs it beside the reference.
 */
#include "plan.h"

typedef struct {
  const Step *steps;
  gsize n_steps;
  gsize n_finished;
  guint elapsed_s;
  GMainLoop *loop;
} Chain;

static void start_next (Chain *chain);

static gboolean
on_time_is_up (gpointer user_data)
{
  Chain *chain = user_data;
  const Step *finished = &chain->steps[chain->n_finished];

  g_print ("[%s] finished after %u seconds\n", finished->name, finished->seconds);
  chain->elapsed_s += finished->seconds;
  chain->n_finished++;
  start_next (chain); /* Whether it needs this step or not. */
  return G_SOURCE_REMOVE;
}

static void
start_next (Chain *chain)
{
  if (chain->n_finished == chain->n_steps) {
    g_print ("All done: %zu steps in %u s\n", chain->n_steps, chain->elapsed_s);
    g_main_loop_quit (chain->loop);
    return;
  }

  const Step *next = &chain->steps[chain->n_finished];

  g_print ("[%s] starting...\n", next->name);
  g_timeout_add (next->seconds * 1000, on_time_is_up, chain);
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
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Chain chain = { steps, G_N_ELEMENTS (steps), 0, 0, loop };

  start_next (&chain);
  g_main_loop_run (loop);
  return 0;
}
