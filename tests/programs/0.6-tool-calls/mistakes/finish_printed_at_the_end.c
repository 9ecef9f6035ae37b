// mistake: output-differs
// All the ends in one go, in the order of the calls.
#include "agent.h"

#include <string.h>

/* ---- one tool as a little state machine ---- */

typedef enum { TALKING, KILLED, ENDED } State;

typedef struct _Tool Tool;
struct _Tool {
  State state;
  GTask *report_to;
  GSubprocess *process;
  GSource *clock;
  GSource *stop;
  GCancellable *talk;
  GError *verdict;
  char *answer;
};

static void tool_waited (GObject *o, GAsyncResult *r, gpointer p);

static void
tool_drop_source (GSource **source)
{
  if (*source != NULL) {
    g_source_destroy (*source);
    g_source_unref (*source);
    *source = NULL;
  }
}

/* The only function that changes the state. */
static void
tool_enter (Tool *tool, State next)
{
  tool->state = next;
  switch (next) {
  case TALKING:
    break;
  case KILLED:
    g_subprocess_force_exit (tool->process);
    g_subprocess_wait_async (tool->process, NULL, tool_waited, tool);
    break;
  case ENDED:
    tool_drop_source (&tool->clock);
    tool_drop_source (&tool->stop);
    if (tool->verdict != NULL)
      g_task_return_error (tool->report_to, tool->verdict);
    else
      g_task_return_pointer (tool->report_to, tool->answer, g_free);
    g_object_unref (tool->report_to);
    g_object_unref (tool->process);
    g_object_unref (tool->talk);
    g_slice_free (Tool, tool);
    break;
  }
}

static void
tool_waited (GObject *o, GAsyncResult *r, gpointer p)
{
  g_subprocess_wait_finish (G_SUBPROCESS (o), r, NULL);
  tool_enter (p, ENDED);
}

static void
tool_talked (GObject *o, GAsyncResult *r, gpointer p)
{
  Tool *tool = p;
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  if (!g_subprocess_communicate_finish (tool->process, r, &bytes, NULL, &error)) {
    if (tool->verdict == NULL)
      tool->verdict = g_steal_pointer (&error);
    tool_enter (tool, KILLED);
    return;
  }
  text = g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  if (tool->verdict == NULL)
    tool->answer = read_answer (tool->process, text, &tool->verdict);
  tool_enter (tool, ENDED);
}

static gboolean
tool_clock_rings (gpointer p)
{
  Tool *tool = p;

  if (tool->verdict == NULL)
    tool->verdict = g_error_new (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "the clock has rung");
  g_cancellable_cancel (tool->talk);
  return G_SOURCE_REMOVE;
}

static gboolean
tool_told_to_stop (GCancellable *c, gpointer p)
{
  Tool *tool = p;

  if (tool->verdict == NULL)
    tool->verdict = g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "told to stop");
  g_cancellable_cancel (tool->talk);
  return G_SOURCE_REMOVE;
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  GError *error = NULL;
  char *path = NULL;
  GSubprocess *process = NULL;
  GBytes *input;
  Tool *tool;

  if (g_cancellable_is_cancelled (cancellable)) {
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "never begun");
    g_object_unref (task);
    return;
  }
  print_start (call);
  path = find_tool (call, &error);
  if (error == NULL)
    process =
        g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                          &error, path, NULL);
  g_free (path);
  if (error != NULL) {
    g_task_return_error (task, error);
    g_object_unref (task);
    return;
  }

  tool = g_slice_new0 (Tool);
  tool->report_to = task;
  tool->process = process;
  tool->talk = g_cancellable_new ();
  if (timeout_ms > 0) {
    tool->clock = g_timeout_source_new (timeout_ms);
    g_source_set_callback (tool->clock, tool_clock_rings, tool, NULL);
    g_source_attach (tool->clock, NULL);
  }
  if (cancellable != NULL) {
    tool->stop = g_cancellable_source_new (cancellable);
    g_source_set_callback (tool->stop, G_SOURCE_FUNC (tool_told_to_stop), tool, NULL);
    g_source_attach (tool->stop, NULL);
  }
  tool_enter (tool, TALKING);
  input = g_bytes_new (call->arguments, strlen (call->arguments));
  g_subprocess_communicate_async (process, input, tool->talk, tool_talked, tool);
  g_bytes_unref (input);
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- all calls: no counters; every call has a state, and we look at all the states ----
 */

enum { WAITS, RUNS, OVER };

typedef struct {
  int state;
  gint64 since_us;
  GTask *task;
} Entry;

typedef struct {
  ToolCall *calls;
  Entry *entries;
  gsize n;
  guint limit, timeout_ms;
  GPtrArray *results;
} Table;

static void
table_free (gpointer data)
{
  Table *table = data;

  tool_calls_free (table->calls, table->n);
  g_ptr_array_unref (table->results);
  g_free (table->entries);
  g_free (table);
}

static gsize
how_many (Table *table, int state)
{
  gsize count = 0;

  for (gsize i = 0; i < table->n; i++)
    count += table->entries[i].state == state;
  return count;
}

static void table_look (GTask *task);

static void
entry_over (GObject *object, GAsyncResult *result, gpointer data)
{
  Entry *entry = data;
  g_autoptr (GTask) task = g_steal_pointer (&entry->task);
  Table *table = g_task_get_task_data (task);
  gsize i = entry - table->entries;
  GError *error = NULL;
  char *text = run_tool_finish (result, &error);

  table->results->pdata[i] =
      tool_result_new (text, error, (g_get_monotonic_time () - entry->since_us) / 1000);
  entry->state = OVER;
  table_look (task);
}

static void
table_look (GTask *task)
{
  Table *table = g_task_get_task_data (task);

  for (gsize i = 0; i < table->n; i++) {
    Entry *entry = &table->entries[i];

    if (entry->state != WAITS || (table->limit && how_many (table, RUNS) >= table->limit))
      continue;
    entry->state = RUNS;
    entry->task = g_object_ref (task);
    entry->since_us = g_get_monotonic_time ();
    run_tool_async (&table->calls[i], table->timeout_ms, g_task_get_cancellable (task),
                    entry_over, entry);
  }
  if (how_many (table, OVER) < table->n)
    return;
  for (gsize i = 0; i < table->n; i++)
    print_finish (&table->calls[i], table->results->pdata[i]);
  g_task_return_pointer (task, g_ptr_array_ref (table->results),
                         (GDestroyNotify) g_ptr_array_unref);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Table *table = g_new0 (Table, 1);

  table->calls = tool_calls_copy (calls, n_calls);
  table->entries = g_new0 (Entry, n_calls);
  table->n = n_calls;
  table->limit = limits->max_parallel;
  table->timeout_ms = limits->timeout_ms;
  table->results = g_ptr_array_new_with_free_func (tool_result_free);
  g_ptr_array_set_size (table->results, n_calls);
  g_task_set_task_data (task, table, table_free);
  g_task_set_check_cancellable (task, FALSE);
  table_look (task);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- the program ---- */

static void
turn_over (GObject *source, GAsyncResult *result, gpointer loop_and_results)
{
  gpointer *pair = loop_and_results;

  pair[1] = call_tools_finish (result, NULL);
  g_main_loop_quit (pair[0]);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  gint64 start = g_get_monotonic_time ();
  gpointer pair[2] = { g_main_loop_new (NULL, FALSE), NULL };

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, turn_over, pair);
  g_main_loop_run (pair[0]);
  print_messages (reply, pair[1], (g_get_monotonic_time () - start) / 1000);
  g_ptr_array_free (pair[1], TRUE);
  g_main_loop_unref (pair[0]);
  return 0;
}
