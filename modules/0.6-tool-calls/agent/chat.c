/* SPDX-License-Identifier: MIT
 *
 * Module 0.6, make agent: a real agent around your dispatcher.
 *
 * It sends a question to a model, runs the tools that the model asks for with
 * call_tools_async(), sends their messages back, and goes on until the model answers.
 *
 *   AGENT_BASE_URL  where the chat API is, such as https://example.org/v1.  Not set:
 *                   nothing leaves this machine; model_server replays recorded replies.
 *   AGENT_MODEL     which model to ask for.
 *   AGENT_API_KEY   sent along if it is set, but never in the clear to another machine.
 *
 * One thread, one main loop: the model, the tools and this program all wait at once.
 */
#include "agent.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

enum { MOST_TURNS = 8 };

static const char QUESTION[] =
    "What is an event loop, and what is structured concurrency? How is the weather in "
    "Oslo, what is 6 * (3 + 4), what does my calendar say, and may I have the annual "
    "report? Then teleport me to Oslo.";

typedef struct {
  GMainLoop *loop;
  SoupSession *session;
  char *url;
  JsonArray *messages; /* the conversation so far */
  JsonNode *tools;     /* what the model is told of them */
  Reply *reply;        /* the one whose calls are running */
  guint n_turns;
  int status;
} Chat;

static void ask_model (Chat *chat);

static void
give_up (Chat *chat, const char *why)
{
  g_printerr ("agent: %s\n", why);
  chat->status = 1;
  g_main_loop_quit (chat->loop);
}

/* ---- The tools have answered ---- */

static void
on_tools_over (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Chat *chat = user_data;
  g_autoptr (GPtrArray) results = call_tools_finish (result, NULL);

  for (guint i = 0; i < results->len; i++) {
    g_autofree char *message =
        tool_message (&chat->reply->calls[i], g_ptr_array_index (results, i));

    g_print ("%s\n", message);
    json_array_add_element (chat->messages, json_from_string (message, NULL));
  }
  g_clear_pointer (&chat->reply, reply_free);
  ask_model (chat);
}

/* ---- The model has answered ---- */

/* choices[0].message, which reply_parse() has found already. */
static JsonObject *
message_of (JsonNode *root)
{
  JsonArray *choices =
      json_object_get_array_member (json_node_get_object (root), "choices");

  return json_object_get_object_member (json_array_get_object_element (choices, 0),
                                        "message");
}

static void
take_reply (Chat *chat, const char *json)
{
  const CallLimits limits = { .max_parallel = 3, .timeout_ms = 2100 };
  g_autoptr (JsonNode) root = json_from_string (json, NULL);
  g_autoptr (GError) error = NULL;
  JsonObject *message;

  chat->reply = reply_parse (json, &error);
  if (chat->reply == NULL) {
    give_up (chat, error->message);
    return;
  }
  message = message_of (root);
  json_array_add_object_element (chat->messages, json_object_ref (message));
  if (chat->reply->n_calls > 0) {
    g_print ("The model asks for %zu tool calls.\n", chat->reply->n_calls);
    call_tools_async (chat->reply->calls, chat->reply->n_calls, &limits, NULL,
                      on_tools_over, chat);
    return;
  }
  g_print ("Model: %s\n",
           json_object_get_string_member_with_default (message, "content", ""));
  g_main_loop_quit (chat->loop);
}

static void
on_model_answer (GObject *session, GAsyncResult *result, gpointer user_data)
{
  Chat *chat = user_data;
  g_autoptr (GError) error = NULL;
  SoupMessage *message =
      soup_session_get_async_result_message (SOUP_SESSION (session), result);
  g_autoptr (GBytes) body =
      soup_session_send_and_read_finish (SOUP_SESSION (session), result, &error);
  g_autofree char *text = NULL;

  if (body == NULL) {
    give_up (chat, error->message);
    return;
  }
  text = g_strndup (g_bytes_get_data (body, NULL), g_bytes_get_size (body));
  if (soup_message_get_status (message) == SOUP_STATUS_OK)
    take_reply (chat, text);
  else
    give_up (chat, text);
}

/* ---- Asking the model ---- */

static char *
request_body (const Chat *chat)
{
  const char *model = g_getenv ("AGENT_MODEL");
  JsonObject *request = json_object_new ();
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), request);

  json_object_set_string_member (request, "model", model != NULL ? model : "recorded");
  json_object_set_array_member (request, "messages", json_array_ref (chat->messages));
  json_object_set_member (request, "tools", json_node_copy (chat->tools));
  json_object_unref (request);
  return json_to_string (node, FALSE);
}

static void
ask_model (Chat *chat)
{
  g_autoptr (SoupMessage) message = soup_message_new ("POST", chat->url);
  g_autofree char *body = request_body (chat);
  g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body));
  const char *key = g_getenv ("AGENT_API_KEY");
  g_autofree char *bearer = g_strdup_printf ("Bearer %s", key);

  chat->n_turns++;
  if (chat->n_turns > MOST_TURNS) {
    give_up (chat, "the model asks for tools again and again");
    return;
  }
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  if (key != NULL && g_getenv ("AGENT_BASE_URL") != NULL)
    soup_message_headers_append (soup_message_get_request_headers (message),
                                 "Authorization", bearer);
  soup_message_set_request_body_from_bytes (message, "application/json", bytes);
  soup_session_send_and_read_async (chat->session, message, G_PRIORITY_DEFAULT, NULL,
                                    on_model_answer, chat);
}

/* ---- Where the model is ---- */

/* The recorded model on this machine.  It ends when @server is released. */
static char *
start_recorded_model (GSubprocess **server)
{
  g_autoptr (GDataInputStream) lines = NULL;

  *server =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                        NULL, "./model_server", NULL);
  if (*server == NULL)
    return NULL;
  lines = g_data_input_stream_new (g_subprocess_get_stdout_pipe (*server));
  return g_data_input_stream_read_line (lines, NULL, NULL, NULL);
}

/* Whether what is sent there may hold a secret. */
static gboolean
is_safe_for_secrets (const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_NONE, NULL);
  const char *host = uri != NULL ? g_uri_get_host (uri) : NULL;

  if (host == NULL)
    return FALSE;
  return g_str_equal (g_uri_get_scheme (uri), "https") ||
         g_str_equal (host, "localhost") || g_str_equal (host, "127.0.0.1") ||
         g_str_equal (host, "::1");
}

/* The base URL, owned by the caller; NULL if nothing may be sent. */
static char *
find_model (GSubprocess **server)
{
  const char *asked_for = g_getenv ("AGENT_BASE_URL");
  char *url;

  if (asked_for == NULL) {
    url = start_recorded_model (server);
    if (url != NULL)
      g_print (
          "Asking the recorded model on this machine (AGENT_BASE_URL is not set).\n");
    return url;
  }
  if (g_getenv ("AGENT_API_KEY") != NULL && !is_safe_for_secrets (asked_for)) {
    g_printerr ("agent: AGENT_API_KEY is not sent in the clear to %s\n", asked_for);
    return NULL;
  }
  g_print ("Asking %s, as AGENT_BASE_URL says.\n", asked_for);
  return g_strdup (asked_for);
}

/* ---- The program ---- */

static JsonNode *
read_tools (void)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (!json_parser_load_from_file (parser, "tools.json", NULL))
    return NULL;
  return json_parser_steal_root (parser);
}

static void
add_question (Chat *chat, const char *question)
{
  JsonObject *message = json_object_new ();

  json_object_set_string_member (message, "role", "user");
  json_object_set_string_member (message, "content", question);
  json_array_add_object_element (chat->messages, message);
  g_print ("You: %s\n", question);
}

static void
run (Chat *chat, const char *question)
{
  chat->loop = g_main_loop_new (NULL, FALSE);
  chat->session = soup_session_new ();
  if (g_getenv ("AGENT_BASE_URL") == NULL) /* Not even to a proxy. */
    soup_session_set_proxy_resolver (chat->session, NULL);
  chat->messages = json_array_new ();
  add_question (chat, question);
  ask_model (chat);
  g_main_loop_run (chat->loop);
  json_array_unref (chat->messages);
  g_object_unref (chat->session);
  g_main_loop_unref (chat->loop);
}

int
main (int argc, char **argv)
{
  g_autoptr (GSubprocess) server = NULL;
  g_autofree char *base_url = find_model (&server);
  g_autoptr (JsonNode) tools = read_tools ();
  Chat chat = { .tools = tools };

  if (base_url == NULL || tools == NULL) {
    g_printerr ("agent: there is no model to ask, or no tools.json\n");
    return 2;
  }
  chat.url = g_strconcat (base_url, "/chat/completions", NULL);
  run (&chat, argc > 1 ? argv[1] : QUESTION);
  g_free (chat.url);
  if (server != NULL) {
    g_output_stream_close (g_subprocess_get_stdin_pipe (server), NULL, NULL);
    g_subprocess_wait (server, NULL, NULL);
  }
  return chat.status;
}
