/* SPDX-License-Identifier: MIT
 *
 * Module 0.6: the agent around the dispatcher.  See agent.h; nothing to change in here.
 *
 * The tools are the programs in the folder "tools" of where the agent runs; their answers
 * and the model's reply are beside it, in "data".
 */
#include "agent.h"

#include <json-glib/json-glib.h>

#include <signal.h>
#include <stdlib.h>

/* A tool may exit without having read its arguments.  For us, who write them into a pipe,
 * that must be an error like any other, and not the signal that ends the program. */
__attribute__ ((constructor)) static void
ignore_broken_pipes (void)
{
  signal (SIGPIPE, SIG_IGN);
}

/* ---- The model's reply ---- */

/* The member @name of @object if it is of that type, else NULL: models do err. */
static JsonNode *
get_member (JsonObject *object, const char *name, JsonNodeType type)
{
  JsonNode *node = object != NULL ? json_object_get_member (object, name) : NULL;

  return node != NULL && json_node_get_node_type (node) == type ? node : NULL;
}

static JsonObject *
get_object (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name, JSON_NODE_OBJECT);

  return node != NULL ? json_node_get_object (node) : NULL;
}

static JsonArray *
get_array (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name, JSON_NODE_ARRAY);

  return node != NULL ? json_node_get_array (node) : NULL;
}

static const char *
get_string (JsonObject *object, const char *name)
{
  JsonNode *node = get_member (object, name, JSON_NODE_VALUE);
  gboolean is_string = node != NULL && json_node_get_value_type (node) == G_TYPE_STRING;

  return is_string ? json_node_get_string (node) : NULL;
}

/* Element @i of @array if it is an object, else NULL. */
static JsonObject *
get_element (JsonArray *array, guint i)
{
  JsonNode *node =
      i < json_array_get_length (array) ? json_array_get_element (array, i) : NULL;

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                                       : NULL;
}

static ToolCall
read_call (JsonObject *object)
{
  JsonObject *function = get_object (object, "function");
  const char *id = get_string (object, "id");
  const char *name = get_string (function, "name");
  const char *arguments = get_string (function, "arguments");

  return (ToolCall){ id != NULL ? id : "?", name != NULL ? name : "?",
                     arguments != NULL ? arguments : "" };
}

Reply *
reply_parse (const char *json, GError **error)
{
  g_autoptr (JsonNode) root = json_from_string (json, NULL);
  JsonObject *reply =
      root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  JsonArray *choices = get_array (reply, "choices");
  JsonObject *choice = choices != NULL ? get_element (choices, 0) : NULL;
  JsonObject *message = get_object (choice, "message");
  JsonArray *calls = get_array (message, "tool_calls");
  gsize n_calls = calls != NULL ? json_array_get_length (calls) : 0;
  g_autofree ToolCall *borrowed = g_new (ToolCall, n_calls);
  Reply *result;

  if (message == NULL) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                 "there is no choices[0].message in it");
    return NULL;
  }
  for (gsize i = 0; i < n_calls; i++)
    borrowed[i] = read_call (get_element (calls, i));

  result = g_new (Reply, 1);
  *result = (Reply){ tool_calls_copy (borrowed, n_calls), n_calls };
  return result;
}

Reply *
reply_read (const char *path)
{
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;
  Reply *reply = NULL;

  if (g_file_get_contents (path, &json, NULL, &error))
    reply = reply_parse (json, &error);
  if (reply == NULL) {
    g_printerr ("%s: %s\n", path, error->message);
    exit (2);
  }
  return reply;
}

void
reply_free (Reply *reply)
{
  tool_calls_free (reply->calls, reply->n_calls);
  g_free (reply);
}

ToolCall *
tool_calls_copy (const ToolCall *calls, gsize n_calls)
{
  ToolCall *copies = g_new (ToolCall, n_calls);

  for (gsize i = 0; i < n_calls; i++)
    copies[i] = (ToolCall){ g_strdup (calls[i].id), g_strdup (calls[i].name),
                            g_strdup (calls[i].arguments) };
  return copies;
}

void
tool_calls_free (ToolCall *calls, gsize n_calls)
{
  for (gsize i = 0; i < n_calls; i++) {
    g_free ((char *) calls[i].id);
    g_free ((char *) calls[i].name);
    g_free ((char *) calls[i].arguments);
  }
  g_free (calls);
}

/* ---- One tool ---- */

/* A name comes from the model: it must not lead out of the folder. */
static gboolean
is_plain_name (const char *name)
{
  for (const char *c = name; *c != '\0'; c++)
    if (!g_ascii_isalnum (*c) && *c != '_' && *c != '-')
      return FALSE;
  return *name != '\0';
}

char *
find_tool (const ToolCall *call, GError **error)
{
  g_autofree char *program = g_build_filename ("tools", call->name, NULL);
  g_autoptr (JsonNode) arguments = NULL;

  if (!is_plain_name (call->name) || !g_file_test (program, G_FILE_TEST_IS_EXECUTABLE)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no tool '%s'",
                 call->name);
    return NULL;
  }
  arguments = json_from_string (call->arguments, NULL);
  if (arguments == NULL || !JSON_NODE_HOLDS_OBJECT (arguments)) {
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                 "its arguments are no JSON object");
    return NULL;
  }
  return g_steal_pointer (&program);
}

/* A result that is no string goes back to the model as JSON. */
static char *
result_text (JsonNode *result)
{
  if (JSON_NODE_HOLDS_VALUE (result) &&
      json_node_get_value_type (result) == G_TYPE_STRING)
    return g_strdup (json_node_get_string (result));
  return json_to_string (result, FALSE);
}

char *
read_answer (GSubprocess *process, const char *output, GError **error)
{
  g_autoptr (JsonNode) root = output != NULL ? json_from_string (output, NULL) : NULL;
  JsonObject *answer =
      root != NULL && JSON_NODE_HOLDS_OBJECT (root) ? json_node_get_object (root) : NULL;
  const char *complaint = get_string (answer, "error");

  if (complaint != NULL)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "%s", complaint);
  else if (g_subprocess_get_if_signaled (process))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "it was ended by signal %d",
                 g_subprocess_get_term_sig (process));
  else if (!g_subprocess_get_successful (process))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_FAILED, "it exited with status %d",
                 g_subprocess_get_exit_status (process));
  else if (answer == NULL || !json_object_has_member (answer, "result"))
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA,
                 "what it wrote is no answer");
  else
    return result_text (json_object_get_member (answer, "result"));
  return NULL;
}

/* ---- Results ---- */

static ToolStatus
status_of (const GError *error)
{
  if (error == NULL)
    return TOOL_SUCCEEDED;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return TOOL_TIMED_OUT;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return TOOL_CANCELLED;
  return TOOL_FAILED;
}

/* What the model reads in place of an output. */
static char *
reason_for (ToolStatus status, const GError *error)
{
  if (status == TOOL_TIMED_OUT)
    return g_strdup ("no answer in time");
  if (status == TOOL_CANCELLED)
    return g_strdup ("nobody wants to know any more");
  return g_strdup (error->message);
}

ToolResult *
tool_result_new (char *output, GError *error, guint took_ms)
{
  ToolResult *result = g_new (ToolResult, 1);
  ToolStatus status = status_of (error);

  if (status != TOOL_SUCCEEDED) {
    g_free (output);
    output = reason_for (status, error);
  }
  *result = (ToolResult){ status, output, took_ms };
  g_clear_error (&error);
  return result;
}

void
tool_result_free (gpointer result)
{
  if (result != NULL)
    g_free (((ToolResult *) result)->text);
  g_free (result);
}

/* ---- Printing ---- */

static const char *const status_words[] = {
  [TOOL_SUCCEEDED] = "succeeded",
  [TOOL_FAILED] = "failed",
  [TOOL_TIMED_OUT] = "timed out",
  [TOOL_CANCELLED] = "cancelled",
};

void
print_start (const ToolCall *call)
{
  g_print ("[%s] %s starting...\n", call->id, call->name);
}

void
print_finish (const ToolCall *call, const ToolResult *result)
{
  g_print ("[%s] %s %s\n", call->id, call->name, status_words[result->status]);
}

char *
tool_message (const ToolCall *call, const ToolResult *result)
{
  gboolean succeeded = result->status == TOOL_SUCCEEDED;
  g_autofree char *content =
      succeeded ? g_strdup (result->text) : g_strdup_printf ("Error: %s", result->text);
  g_autoptr (JsonBuilder) builder = json_builder_new_immutable ();
  g_autoptr (JsonNode) message = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "role");
  json_builder_add_string_value (builder, "tool");
  json_builder_set_member_name (builder, "tool_call_id");
  json_builder_add_string_value (builder, call->id);
  json_builder_set_member_name (builder, "content");
  json_builder_add_string_value (builder, content);
  json_builder_end_object (builder);
  message = json_builder_get_root (builder);
  return json_to_string (message, FALSE);
}

void
print_messages (const Reply *reply, GPtrArray *results, guint elapsed_ms)
{
  guint sum_ms = 0;

  for (guint i = 0; i < results->len; i++) {
    const ToolResult *result = g_ptr_array_index (results, i);
    g_autofree char *message = tool_message (&reply->calls[i], result);

    g_print ("%s\n", message);
    sum_ms += result->took_ms;
  }
  g_print ("%u calls answered after %u seconds; one after another: %u seconds\n",
           results->len, elapsed_ms / 1000, sum_ms / 1000);
}
