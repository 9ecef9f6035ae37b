/* SPDX-License-Identifier: MIT
 *
 * Module 0.5, the slow way: the same three experiments, one after another.
 *
 * Nothing here is wrong, and nothing blocks: the loop is idle nearly all the time.  But
 * each experiment is started only when the one before it has finished, so the waits add
 * up: 1 + 2 + 3 = 6 seconds.  `make demo` runs it beside the reference.
 */
#include "experiments.h"

typedef struct {
  const Experiment *experiments;
  gsize n_experiments;
  gsize n_finished;
  GMainLoop *loop;
} Chain;

static void start_next (Chain *chain);

static gboolean
on_time_is_up (gpointer user_data)
{
  Chain *chain = user_data;
  const Experiment *finished = &chain->experiments[chain->n_finished];

  g_print ("[%s] finished after %u seconds\n", finished->name, finished->seconds);
  chain->n_finished++;
  start_next (chain); /* Only now: this line costs three seconds. */
  return G_SOURCE_REMOVE;
}

static void
print_all (const Chain *chain)
{
  g_print ("All done: [");
  for (gsize i = 0; i < chain->n_experiments; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", chain->experiments[i].name,
             chain->experiments[i].seconds);
  g_print ("]\n");
}

static void
start_next (Chain *chain)
{
  if (chain->n_finished == chain->n_experiments) {
    print_all (chain);
    g_main_loop_quit (chain->loop);
    return;
  }

  const Experiment *next = &chain->experiments[chain->n_finished];

  g_print ("[%s] starting...\n", next->name);
  g_timeout_add (next->seconds * 1000, on_time_is_up, chain);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Chain chain = { experiments, G_N_ELEMENTS (experiments), 0, loop };

  start_next (&chain);
  g_main_loop_run (loop);
  return 0;
}
