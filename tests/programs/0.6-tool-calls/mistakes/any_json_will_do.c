// mistake: nonsense-accepted
// Whatever is JSON will do for the arguments.
#include "agent.h"

#include <json-glib/json-glib.h>
#include <string.h>

/* Finds the program of a tool, and sees to it that the arguments are JSON. */
static char *
program_for (const ToolCall *call, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *path = g_build_filename ("tools", call->name, NULL);

  if (call->name[0] == '\0' || strchr (call->name, G_DIR_SEPARATOR) != NULL ||
      !g_file_test (path, G_FILE_TEST_IS_REGULAR) ||
      !g_file_test (path, G_FILE_TEST_IS_EXECUTABLE)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no tool '%s'",
                 call->name);
    return NULL;
  }
  if (!json_parser_load_from_data (parser, call->arguments, -1, NULL) ||
      json_parser_get_root (parser) == NULL) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                         "its arguments are no JSON");
    return NULL;
  }
  return g_steal_pointer (&path);
}

typedef struct {
  GSubprocess *subprocess;
  GCancellable *cancellable; /* ends the waiting */
  GCancellable *parent;
  gulong parent_id;
  guint source_id;
  gboolean expired;
  GError *error;
} ToolRun;

static void
tool_run_free (ToolRun *run)
{
  if (run->source_id > 0)
    g_source_remove (run->source_id);
  g_cancellable_disconnect (run->parent, run->parent_id);
  g_clear_object (&run->parent);
  g_clear_object (&run->subprocess);
  g_clear_object (&run->cancellable);
  g_clear_error (&run->error);
  g_free (run);
}

static gboolean
expire (gpointer user_data)
{
  ToolRun *run = user_data;

  run->source_id = 0;
  if (!g_cancellable_is_cancelled (run->cancellable)) {
    run->expired = TRUE;
    g_cancellable_cancel (run->cancellable);
  }
  return G_SOURCE_REMOVE;
}

static void
pass_on (GCancellable *parent, GCancellable *child)
{
  (void) parent;
  g_cancellable_cancel (child);
}

static void
after_wait (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  ToolRun *run = g_task_get_task_data (task);

  (void) source;
  g_subprocess_wait_finish (run->subprocess, result, NULL);
  if (run->expired) {
    g_clear_error (&run->error);
    run->error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "time limit");
  }
  g_task_return_error (task, g_steal_pointer (&run->error));
}

static void
after_communicate (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  ToolRun *run = g_task_get_task_data (task);
  g_autofree char *stdout_text = NULL;
  g_autofree char *answer = NULL;

  (void) source;
  if (g_subprocess_communicate_utf8_finish (run->subprocess, result, &stdout_text, NULL,
                                            &run->error)) {
    answer = read_answer (run->subprocess, stdout_text, &run->error);
    if (answer != NULL)
      g_task_return_pointer (task, g_steal_pointer (&answer), g_free);
    else
      g_task_return_error (task, g_steal_pointer (&run->error));
  } else {
    g_subprocess_force_exit (run->subprocess);
    g_subprocess_wait_async (run->subprocess, NULL, after_wait, g_steal_pointer (&task));
  }
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autofree char *program = NULL;
  GError *error = NULL;
  ToolRun *run;

  if (g_task_return_error_if_cancelled (task))
    return;
  g_task_set_check_cancellable (task, FALSE); /* the errors say it themselves */

  run = g_new0 (ToolRun, 1);
  g_task_set_task_data (task, run, (GDestroyNotify) tool_run_free);

  print_start (call);
  program = program_for (call, &error);
  if (error == NULL)
    run->subprocess = g_subprocess_new (
        G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDIN_PIPE, &error, program,
        NULL);
  if (error != NULL) {
    g_task_return_error (task, error);
    return;
  }

  run->cancellable = g_cancellable_new ();
  if (cancellable != NULL) {
    run->parent = g_object_ref (cancellable);
    run->parent_id =
        g_cancellable_connect (cancellable, G_CALLBACK (pass_on),
                               g_object_ref (run->cancellable), g_object_unref);
  }
  if (timeout_ms > 0)
    run->source_id = g_timeout_add (timeout_ms, expire, run);
  g_subprocess_communicate_utf8_async (run->subprocess, call->arguments, run->cancellable,
                                       after_communicate, g_steal_pointer (&task));
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- */

typedef struct {
  ToolCall *calls;
  gsize n_calls;
  gsize i; /* the next one */
  guint free_places;
  guint timeout_ms;
  gsize n_results;
  GPtrArray *results;
} Reckoning;

typedef struct {
  GTask *task;
  gsize i;
  gint64 start;
} Part;

static void
all_free (Reckoning *all)
{
  tool_calls_free (all->calls, all->n_calls);
  g_ptr_array_unref (all->results);
  g_free (all);
}

static void go_on (GTask *task);

static void
part_done (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Part *part = user_data;
  Reckoning *all = g_task_get_task_data (part->task);
  GError *error = NULL;
  char *output = run_tool_finish (result, &error);
  ToolResult *tool_result = tool_result_new (
      output, error, (guint) ((g_get_monotonic_time () - part->start) / 1000));

  (void) source;
  print_finish (all->calls + part->i, tool_result);
  all->results->pdata[part->i] = tool_result;
  all->n_results++;
  all->free_places++;
  go_on (part->task);
  g_object_unref (part->task);
  g_free (part);
}

static void
go_on (GTask *task)
{
  Reckoning *all = g_task_get_task_data (task);

  while (all->free_places > 0 && all->i < all->n_calls) {
    Part *part = g_new (Part, 1);

    part->task = g_object_ref (task);
    part->i = all->i++;
    part->start = g_get_monotonic_time ();
    all->free_places--;
    run_tool_async (all->calls + part->i, all->timeout_ms,
                    g_task_get_cancellable (task), part_done, part);
  }
  if (all->n_results == all->n_calls)
    g_task_return_pointer (task, g_ptr_array_ref (all->results),
                           (GDestroyNotify) g_ptr_array_unref);
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Reckoning *all = g_new0 (Reckoning, 1);

  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, all, (GDestroyNotify) all_free);
  all->n_calls = n_calls;
  all->calls = tool_calls_copy (calls, n_calls);
  all->timeout_ms = limits->timeout_ms;
  all->free_places = limits->max_parallel;
  if (all->free_places == 0)
    all->free_places = G_MAXUINT;
  all->results = g_ptr_array_new_full (n_calls, tool_result_free);
  g_ptr_array_set_size (all->results, n_calls);
  go_on (task);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

typedef struct {
  GMainLoop *loop;
  GPtrArray *results;
} Outcome;

static void
got_results (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Outcome *outcome = user_data;

  (void) source;
  outcome->results = call_tools_finish (result, NULL);
  g_main_loop_quit (outcome->loop);
}

int
main (void)
{
  g_autoptr (Reply) reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Outcome outcome = { loop, NULL };
  gint64 start = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, got_results, &outcome);
  g_main_loop_run (loop);
  print_messages (reply, outcome.results, (g_get_monotonic_time () - start) / 1000);
  g_ptr_array_unref (outcome.results);
  return 0;
}
