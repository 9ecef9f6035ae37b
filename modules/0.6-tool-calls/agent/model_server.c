/* SPDX-License-Identifier: MIT
 *
 * Module 0.6, make agent: a model that is none.  It speaks the chat API on this machine
 * only, and answers from recorded replies: replies/1.json to a conversation in which it
 * has not spoken yet, replies/2.json after that, and so on.
 *
 * Like the real ones, it refuses a conversation in which a tool call was never answered.
 * It prints its base URL as its first line, and ends when its standard input does, so
 * that it never outlives the agent that has started it.
 */
#include <gio/gunixinputstream.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

/* ---- The conversation so far ---- */

/* What a conversation must be checked for. */
typedef struct {
  guint n_replies;        /* how often the model has spoken */
  GHashTable *unanswered; /* ids of tool calls without an answer */
} Conversation;

static void
note_calls (Conversation *conversation, JsonObject *message)
{
  JsonArray *calls = json_object_has_member (message, "tool_calls")
                         ? json_object_get_array_member (message, "tool_calls")
                         : NULL;

  for (guint i = 0; calls != NULL && i < json_array_get_length (calls); i++) {
    JsonObject *call = json_array_get_object_element (calls, i);
    g_hash_table_add (conversation->unanswered,
                      g_strdup (json_object_get_string_member (call, "id")));
  }
}

static void
note_message (JsonArray *messages, guint i, JsonNode *node, gpointer user_data)
{
  Conversation *conversation = user_data;
  JsonObject *message = json_node_get_object (node);
  const char *role = json_object_get_string_member_with_default (message, "role", "");

  if (g_str_equal (role, "assistant")) {
    conversation->n_replies++;
    note_calls (conversation, message);
  } else if (g_str_equal (role, "tool")) {
    g_hash_table_remove (conversation->unanswered,
                         json_object_get_string_member (message, "tool_call_id"));
  }
}

/* ---- One request ---- */

static void
answer (SoupServerMessage *message, guint status, const char *body)
{
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY, body,
                                    strlen (body));
}

static void
replay (SoupServerMessage *message, guint n_replies)
{
  g_autofree char *path = g_strdup_printf ("replies/%u.json", n_replies + 1);
  g_autofree char *reply = NULL;

  if (g_file_get_contents (path, &reply, NULL, NULL))
    answer (message, SOUP_STATUS_OK, reply);
  else
    answer (message, SOUP_STATUS_NOT_FOUND,
            "{\"error\": {\"message\": \"no more recorded replies\"}}");
}

static void
on_request (SoupServer *server, SoupServerMessage *message, const char *path,
            GHashTable *query, gpointer user_data)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);
  g_autofree char *text = g_strndup (body->data, body->length);
  g_autoptr (JsonNode) root = json_from_string (text, NULL);
  g_autoptr (GHashTable) unanswered =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Conversation conversation = { 0, unanswered };

  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root) ||
      !json_object_has_member (json_node_get_object (root), "messages")) {
    answer (message, SOUP_STATUS_BAD_REQUEST,
            "{\"error\": {\"message\": \"there are no messages\"}}");
    return;
  }
  json_array_foreach_element (
      json_object_get_array_member (json_node_get_object (root), "messages"),
      note_message, &conversation);
  if (g_hash_table_size (unanswered) > 0)
    answer (message, SOUP_STATUS_BAD_REQUEST,
            "{\"error\": {\"message\": \"a tool call was not answered\"}}");
  else
    replay (message, conversation.n_replies);
}

/* ---- The program ---- */

static void
on_input (GObject *stream, GAsyncResult *result, gpointer user_data)
{
  g_input_stream_read_finish (G_INPUT_STREAM (stream), result, NULL);
  g_main_loop_quit (user_data); /* The agent has gone: nothing is ever written here. */
}

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (SoupServer) server = soup_server_new (NULL, NULL);
  g_autoptr (GInputStream) input = g_unix_input_stream_new (0, FALSE);
  g_autoptr (GError) error = NULL;
  GSList *uris;
  char byte;

  soup_server_add_handler (server, "/v1/chat/completions", on_request, NULL, NULL);
  if (!soup_server_listen_local (server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error)) {
    g_printerr ("The model server cannot listen: %s\n", error->message);
    return 1;
  }
  uris = soup_server_get_uris (server);
  g_print ("http://127.0.0.1:%d/v1\n", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);

  g_input_stream_read_async (input, &byte, 1, G_PRIORITY_DEFAULT, NULL, on_input, loop);
  g_main_loop_run (loop);
  return 0;
}
