/* SPDX-License-Identifier: MIT
 *
 * Module 0.6: Tool calls: the pattern inside every AI agent.
 *
 * Read modules/0.6-tool-calls/lesson.md, fill in the TODOs in the order of their
 * numbers, and run: make grade MODULE=0.6
 */
#include "agent.h"

/* ---- One call: a process, and two reasons to end it before it is done ---- */

/* TODO 1: What must one running tool remember?  Describe it in a struct, and
 * write the function that frees it.  Then write two callbacks: one for
 * the moment when its time is up, one for when the caller cancels.
 * Neither of them reports anything: they only make the waiting end. */

/* TODO 2: The second half of one call.  The waiting is over: either the tool has
 * answered and exited, or the waiting was ended.  In the second case the
 * process still runs: see that it dies, wait until it is gone, and only
 * then report, as timed out, cancelled or failed. */

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  /* TODO 3: The first half of one call: report its start, find its program, start
   * the process, give it the arguments, arrange for the deadline and for the
   * caller who may cancel, and return at once.  What goes wrong already here
   * is reported like everything else: through the task, from the loop. */
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- All the calls of a reply: start while there is room, count what is running ---- */

/* TODO 4: What must a batch of calls remember, and what must each running call
 * know to put its result in the right place?  Describe both.  Then write
 * two functions: one starts calls while there is room, and returns the
 * results when nothing runs and nothing waits; the other takes in the
 * result of one call, and makes room for the next. */

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  /* TODO 5: Prepare a batch, start what may start, and return.  The caller may free
   * the calls and the limits as soon as you have returned.  Mind what a
   * cancelled GTask does with the results: here, they are wanted even then. */
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- The program: one turn of an agent ---- */

/* TODO 6: Write the function that receives the results of the whole reply: it
 * keeps them for main, and lets the main loop come to its end. */

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  /* TODO 7: Make a main loop, call the tools that the reply asks for, let the loop
   * run until the results are there, print the messages with the time that
   * it all took, and give back what you made. */
  (void) limits; /* Keeps the compiler quiet; delete it. */
  return 0;
}
