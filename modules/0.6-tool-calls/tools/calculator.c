/* SPDX-License-Identifier: MIT
 *
 * Tool of module 0.6: a calculator with + - * / and parentheses.  Argument: expression.
 */
#include "tool.h"

/* What is still to be read.  A grammar as functions: each eats its part of the text. */
typedef struct {
  const char *rest;
  int depth;
} Reader;

#define MAX_DEPTH 100

static double read_sum (Reader *reader);

static gboolean
eat (Reader *reader, char c)
{
  while (*reader->rest == ' ')
    reader->rest++;
  if (*reader->rest != c)
    return FALSE;
  reader->rest++;
  return TRUE;
}

static double
read_factor (Reader *reader)
{
  char *end;
  double value;

  if (++reader->depth > MAX_DEPTH)
    tool_fail ("that is nested too deeply");
  if (eat (reader, '-')) {
    value = -read_factor (reader);
  } else if (eat (reader, '(')) {
    value = read_sum (reader);
    if (!eat (reader, ')'))
      tool_fail ("a parenthesis is not closed");
  } else {
    value = g_ascii_strtod (reader->rest, &end);
    if (end == reader->rest)
      tool_fail ("a number is missing");
    reader->rest = end;
  }
  reader->depth--;
  return value;
}

static double
read_product (Reader *reader)
{
  double value = read_factor (reader);

  for (;;) {
    if (eat (reader, '*'))
      value *= read_factor (reader);
    else if (eat (reader, '/'))
      value /= read_factor (reader);
    else
      return value;
  }
}

static double
read_sum (Reader *reader)
{
  double value = read_product (reader);

  for (;;) {
    if (eat (reader, '+'))
      value += read_product (reader);
    else if (eat (reader, '-'))
      value -= read_product (reader);
    else
      return value;
  }
}

int
main (void)
{
  g_autofree char *expression = tool_argument ("expression");
  Reader reader = { expression, 0 };
  double value = read_sum (&reader);
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  JsonObject *answer = json_object_new ();

  if (!eat (&reader, '\0'))
    tool_fail ("that is no expression");
  g_usleep (300 * 1000); /* The one who asks must find it worth the wait. */
  json_object_set_string_member (answer, "result",
                                 g_ascii_formatd (text, sizeof text, "%g", value));
  tool_exit (answer);
}
