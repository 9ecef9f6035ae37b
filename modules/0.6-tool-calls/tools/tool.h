/* SPDX-License-Identifier: MIT
 *
 * Module 0.6: what the small tool programs share.  A tool reads its arguments, a JSON
 * object, from standard input, takes its time, and writes one JSON object to standard
 * output: {"result": ...} with exit status 0, or {"error": "why"} with exit status 1.
 *
 * Most of them look their answer up in a file of recorded answers, data/<tool>.json, a
 * JSON object: question -> {"after_ms": n, "result" or "error": ...}.
 */
#pragma once

#include <json-glib/json-glib.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

G_GNUC_NORETURN static inline void
tool_exit (JsonObject *answer)
{
  g_autoptr (JsonNode) node = json_node_init_object (json_node_alloc (), answer);
  g_autofree char *text = json_to_string (node, FALSE);

  puts (text);
  exit (json_object_has_member (answer, "error") ? 1 : 0);
}

G_GNUC_NORETURN static inline void
tool_fail (const char *why)
{
  JsonObject *answer = json_object_new ();

  json_object_set_string_member (answer, "error", why);
  tool_exit (answer);
}

/* Waits in poll(), not in read(): the grader's virtual clock sees poll(). */
static inline void
read_input (char *text, gsize size)
{
  struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
  gsize length = 0;
  gssize n_read = 1;

  while (n_read > 0 && poll (&input, 1, -1) == 1) {
    n_read = read (STDIN_FILENO, text + length, size - 1 - length);
    length += n_read > 0 ? (gsize) n_read : 0;
  }
  text[length] = '\0';
}

/* The string argument @name from standard input; no such argument is an answer, too. */
static inline char *
tool_argument (const char *name)
{
  g_autofree char *why = NULL;
  g_autoptr (JsonNode) root = NULL;
  char text[4096];
  JsonNode *value = NULL;

  read_input (text, sizeof text);
  root = json_from_string (text, NULL);
  if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
    value = json_object_get_member (json_node_get_object (root), name);
  if (value != NULL && JSON_NODE_HOLDS_VALUE (value) &&
      json_node_get_value_type (value) == G_TYPE_STRING)
    return json_node_dup_string (value);

  why = g_strdup_printf ("it needs the argument '%s', a string", name);
  tool_fail (why);
}

/* Answer @question from the recorded answers of @tool, after as long as the real thing
 * took. */
G_GNUC_NORETURN static inline void
tool_answer_from_file (const char *tool, const char *question)
{
  g_autofree char *path = g_strdup_printf ("data/%s.json", tool);
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  JsonObject *answers;
  JsonObject *answer;

  if (!json_parser_load_from_file (parser, path, NULL))
    tool_fail ("its recorded answers are missing");
  answers = json_node_get_object (json_parser_get_root (parser));
  if (!json_object_has_member (answers, question))
    tool_fail ("it has never heard of that");

  answer = json_object_get_object_member (answers, question);
  g_usleep (json_object_get_int_member (answer, "after_ms") * 1000);
  tool_exit (answer);
}
