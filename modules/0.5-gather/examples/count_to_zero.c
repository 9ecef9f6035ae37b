/* SPDX-License-Identifier: MIT
 *
 * Module 0.5, example: two waits at once, and a counter that knows when both are over.
 */
#include <glib.h>

// BEGIN counter
typedef struct {
  GMainLoop *loop;
  guint n_pending;
} Wait;

static gboolean
on_answer (gpointer user_data)
{
  Wait *wait = user_data;

  wait->n_pending--;
  g_print ("an answer; still waiting for %u\n", wait->n_pending);
  if (wait->n_pending == 0)
    g_main_loop_quit (wait->loop);
  return G_SOURCE_REMOVE;
}
// END counter

// BEGIN ask
static void
ask (guint delay_ms, Wait *wait)
{
  g_timeout_add (delay_ms, on_answer, wait);
}
// END ask

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GTimer) timer = g_timer_new ();
  Wait wait = { loop, 2 }; /* main() outlives both timers, so its stack will do. */

  ask (2000, &wait);
  ask (1000, &wait);
  g_main_loop_run (loop);
  g_print ("both after %.1f s\n", g_timer_elapsed (timer, NULL));
  return 0;
}
