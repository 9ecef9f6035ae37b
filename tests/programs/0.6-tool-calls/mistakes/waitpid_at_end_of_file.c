// mistake: blocks-the-loop
// It has closed its output, so it is as good as dead.
#include "agent.h"

#include <glib-unix.h>
#include <json-glib/json-glib.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* One child, the way it is done without GSubprocess. */

enum reason { NOT_STOPPED, BY_THE_CLOCK, BY_THE_CALLER };

struct kid {
  pid_t pid;
  int to;   /* its standard input; -1: closed */
  int from; /* its standard output; -1: closed */
  char *args;
  size_t args_len;
  size_t args_done;
  GString *heard;
  guint to_watch;
  guint from_watch;
  guint clock;
  GSource *cancel_source;
  int status;
  enum reason stopped;
};

static void
stop_watching (guint *id)
{
  if (*id != 0)
    g_source_remove (*id);
  *id = 0;
}

static void
shut (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

static void
kid_free (gpointer data)
{
  struct kid *kid = data;

  stop_watching (&kid->to_watch);
  stop_watching (&kid->from_watch);
  stop_watching (&kid->clock);
  if (kid->cancel_source != NULL) {
    g_source_destroy (kid->cancel_source);
    g_source_unref (kid->cancel_source);
  }
  shut (&kid->to);
  shut (&kid->from);
  g_free (kid->args);
  g_string_free (kid->heard, TRUE);
  g_free (kid);
}

/* What the bytes mean that came from a child that has exited. */
static char *
understand (const struct kid *kid, GError **error)
{
  g_autoptr (JsonNode) root = json_from_string (kid->heard->str, NULL);
  JsonObject *top =
      root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  JsonNode *node = top != NULL ? json_object_get_member (top, "error") : NULL;

  if (node != NULL && JSON_NODE_HOLDS_VALUE (node) &&
      json_node_get_value_type (node) == G_TYPE_STRING) {
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_FAILED,
                         json_node_get_string (node));
    return NULL;
  }
  if (WIFSIGNALED (kid->status)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "it was ended by signal %d",
                 WTERMSIG (kid->status));
    return NULL;
  }
  if (WEXITSTATUS (kid->status) != 0) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "it exited with status %d",
                 WEXITSTATUS (kid->status));
    return NULL;
  }
  node = top != NULL ? json_object_get_member (top, "result") : NULL;
  if (node == NULL) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                 "what it wrote is no answer");
    return NULL;
  }
  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    return g_strdup (json_node_get_string (node));
  return json_to_string (node, FALSE);
}

/* The pipe is at its end, or we have killed it: collect it, and say what became of it. */
static void
collect (GTask *task)
{
  struct kid *kid = g_task_get_task_data (task);
  GError *error = NULL;
  char *answer;

  while (waitpid (kid->pid, &kid->status, 0) < 0 && errno == EINTR)
    ;
  stop_watching (&kid->clock);
  stop_watching (&kid->to_watch);
  stop_watching (&kid->from_watch);
  if (kid->cancel_source != NULL)
    g_source_destroy (kid->cancel_source);

  if (kid->stopped == BY_THE_CLOCK)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "its time was up");
  else if (kid->stopped == BY_THE_CALLER)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "called off");
  else if ((answer = understand (kid, &error)) != NULL)
    g_task_return_pointer (task, answer, g_free);
  else
    g_task_return_error (task, error);
  g_object_unref (task); /* the child's reference */
}

static void
stop (GTask *task, enum reason reason)
{
  struct kid *kid = g_task_get_task_data (task);

  kid->stopped = reason;
  kill (kid->pid, SIGKILL);
  collect (task);
}

static gboolean
on_clock (gpointer data)
{
  struct kid *kid = g_task_get_task_data (data);

  kid->clock = 0;
  stop (data, BY_THE_CLOCK);
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer data)
{
  stop (data, BY_THE_CALLER);
  return G_SOURCE_REMOVE;
}

static gboolean
on_readable (gint fd, GIOCondition condition, gpointer data)
{
  struct kid *kid = g_task_get_task_data (data);
  char buffer[4096];
  ssize_t n = read (fd, buffer, sizeof buffer);

  if (n > 0) {
    g_string_append_len (kid->heard, buffer, n);
    return G_SOURCE_CONTINUE;
  }
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  kid->from_watch = 0;
  shut (&kid->from);
  collect (data);
  return G_SOURCE_REMOVE;
}

static gboolean
on_writable (gint fd, GIOCondition condition, gpointer data)
{
  struct kid *kid = g_task_get_task_data (data);
  ssize_t n = write (fd, kid->args + kid->args_done, kid->args_len - kid->args_done);

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n >= 0)
    kid->args_done += n;
  if (n >= 0 && kid->args_done < kid->args_len)
    return G_SOURCE_CONTINUE;
  kid->to_watch = 0;
  shut (&kid->to); /* All is said, or it does not listen: EPIPE. */
  return G_SOURCE_REMOVE;
}

static gboolean
bear (struct kid *kid, const char *program, GError **error)
{
  int in[2], out[2];

  if (pipe2 (in, O_CLOEXEC) != 0) {
    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), "no pipe");
    return FALSE;
  }
  if (pipe2 (out, O_CLOEXEC) != 0) {
    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), "no pipe");
    close (in[0]);
    close (in[1]);
    return FALSE;
  }
  kid->pid = fork ();
  if (kid->pid == 0) {
    signal (SIGPIPE, SIG_DFL);
    dup2 (in[0], STDIN_FILENO);
    dup2 (out[1], STDOUT_FILENO);
    execl (program, program, (char *) NULL);
    _exit (127);
  }
  close (in[0]);
  close (out[1]);
  kid->to = in[1];
  kid->from = out[0];
  if (kid->pid < 0) {
    g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errno), "no process");
    return FALSE;
  }
  g_unix_set_fd_nonblocking (kid->to, TRUE, NULL);
  g_unix_set_fd_nonblocking (kid->from, TRUE, NULL);
  return TRUE;
}

void
run_tool_async (const ToolCall *call, guint timeout_ms, GCancellable *cancellable,
                GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  g_autofree char *program = NULL;
  GError *error = NULL;
  struct kid *kid;

  if (g_cancellable_set_error_if_cancelled (cancellable, &error)) {
    g_task_return_error (task, error);
    return;
  }
  print_start (call);
  program = find_tool (call, &error);
  if (program == NULL) {
    g_task_return_error (task, error);
    return;
  }

  kid = g_new0 (struct kid, 1);
  kid->to = kid->from = -1;
  kid->args = g_strdup (call->arguments);
  kid->args_len = strlen (call->arguments);
  kid->heard = g_string_new (NULL);
  g_task_set_task_data (task, kid, kid_free);
  if (!bear (kid, program, &error)) {
    g_task_return_error (task, error);
    return;
  }

  kid->from_watch =
      g_unix_fd_add (kid->from, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, task);
  kid->to_watch = g_unix_fd_add (kid->to, G_IO_OUT | G_IO_ERR, on_writable, task);
  if (timeout_ms > 0)
    kid->clock = g_timeout_add (timeout_ms, on_clock, task);
  if (cancellable != NULL) {
    kid->cancel_source = g_cancellable_source_new (cancellable);
    g_source_set_callback (kid->cancel_source, G_SOURCE_FUNC (on_cancelled), task, NULL);
    g_source_attach (kid->cancel_source, NULL);
  }
  g_steal_pointer (&task); /* belongs to the child now, see collect() */
}

char *
run_tool_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- A batch: a table with a line per call ---- */

struct table;

struct line {
  struct table *table;
  ToolResult *result;
  gint64 start_us;
};

struct table {
  GTask *task;
  GCancellable *cancellable;
  ToolCall *calls;
  gsize n;
  struct line *lines;
  gsize next;
  gsize over;
  guint max;
  guint timeout_ms;
};

static void
table_free (gpointer data)
{
  struct table *table = data;

  g_clear_object (&table->cancellable);
  tool_calls_free (table->calls, table->n);
  g_free (table->lines);
  g_free (table);
}

static void fill_places (struct table *table);

static void
on_line_over (GObject *nobody, GAsyncResult *result, gpointer data)
{
  struct line *line = data;
  struct table *table = line->table;
  gint64 took_us = g_get_monotonic_time () - line->start_us;
  GError *error = NULL;
  char *output = run_tool_finish (result, &error);

  line->result = tool_result_new (output, error, took_us / 1000);
  print_finish (&table->calls[line - table->lines], line->result);
  table->over++;
  fill_places (table);
}

static void
fill_places (struct table *table)
{
  for (; table->next < table->n && table->next - table->over < table->max;) {
    gsize i = table->next++;

    table->lines[i] = (struct line){ table, NULL, g_get_monotonic_time () };
    run_tool_async (&table->calls[i], table->timeout_ms, table->cancellable, on_line_over,
                    &table->lines[i]);
  }

  if (table->over == table->n) {
    GTask *task = table->task;
    GPtrArray *results = g_ptr_array_new_with_free_func (tool_result_free);

    for (gsize i = 0; i < table->n; i++)
      g_ptr_array_add (results, table->lines[i].result);
    g_task_return_pointer (task, results, (GDestroyNotify) g_ptr_array_unref);
    g_object_unref (task);
  }
}

void
call_tools_async (const ToolCall *calls, gsize n_calls, const CallLimits *limits,
                  GCancellable *cancellable, GAsyncReadyCallback callback,
                  gpointer user_data)
{
  struct table *table = g_new0 (struct table, 1);

  table->task = g_task_new (NULL, NULL, callback, user_data);
  g_task_set_task_data (table->task, table, table_free);
  g_set_object (&table->cancellable, cancellable);
  table->calls = tool_calls_copy (calls, n_calls);
  table->n = n_calls;
  table->lines = g_new0 (struct line, n_calls);
  table->max = limits->max_parallel > 0 ? limits->max_parallel : G_MAXUINT;
  table->timeout_ms = limits->timeout_ms;
  fill_places (table);
}

GPtrArray *
call_tools_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- The program ---- */

static void
keep_results (GObject *nobody, GAsyncResult *result, gpointer data)
{
  *(GPtrArray **) data = call_tools_finish (result, NULL);
}

int
main (void)
{
  Reply *reply = reply_read ("data/reply.json");
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  GPtrArray *results = NULL;
  gint64 start_us = g_get_monotonic_time ();

  call_tools_async (reply->calls, reply->n_calls, &limits, NULL, keep_results, &results);
  while (results == NULL)
    g_main_context_iteration (NULL, TRUE);
  print_messages (reply, results, (g_get_monotonic_time () - start_us) / 1000);
  g_ptr_array_unref (results);
  reply_free (reply);
  return 0;
}
