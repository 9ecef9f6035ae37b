/* SPDX-License-Identifier: MIT
 *
 * Tool of module 0.6 for the contract tests: it behaves as its arguments say.
 *
 *   after_ms  how long it works, in milliseconds
 *   do        what it does then, one of these:
 *               answer, fail, quit, crash   what their names say
 *               lines         answers in several lines, of which the first is empty
 *               huge          answers at length
 *               grumble       answers, but writes to standard error before
 *               stubborn      answers, and ignores all signals that may be ignored
 *               linger        answers, closes its standard output, and works then
 *               hang          works for 5000 s, and answers
 *               garbage, prose, silence, no-result   no answer
 *               false-answer  answers, but exits with a status that says it failed
 *   say       the answer, or why it failed
 *   journal   a file to which it appends "<tag> <pid> <start in us>" as it starts, if it
 *             has got its arguments to the end
 *   tag       a number of the test's choice
 *
 * All of these stand at the beginning of the arguments, however long those are.
 *
 * It does without GLib, and understands only the JSON that the tests write: there are
 * hundreds of it in one grade, and each must start in a moment.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  ARGUMENTS_BYTES = 4096,
  HUGE_BYTES = 300 * 1000,
  HANG_S = 5000,
  FAILURE = 1,
  QUIT = 3
};

static char arguments[ARGUMENTS_BYTES];
static char last_sign; /* of all of them, however long, but white space */

/* What follows "<key>": in the arguments; "" if it is not there. */
static const char *
find (const char *key)
{
  char pattern[32];
  const char *found;

  snprintf (pattern, sizeof pattern, "\"%s\": ", key);
  found = strstr (arguments, pattern);
  return found != NULL ? found + strlen (pattern) : "";
}

/* Copy the string argument @key, as it is written, to @value. */
static const char *
get_string (const char *key, char value[ARGUMENTS_BYTES])
{
  const char *start = find (key);
  size_t length = *start == '"' ? strcspn (start + 1, "\"") : 0;

  memcpy (value, start + (length > 0), length);
  value[length] = '\0';
  return value;
}

/* Waits in poll(), not in read() and write(): the virtual clock sees poll(). */

/* Reads to the end, and keeps the beginning. */
static void
read_arguments (void)
{
  struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
  char chunk[ARGUMENTS_BYTES];
  size_t length = 0;
  ssize_t n_read = 1;

  while (n_read > 0 && poll (&input, 1, -1) == 1) {
    n_read = read (STDIN_FILENO, chunk, sizeof chunk);
    for (ssize_t i = 0; i < n_read && length < sizeof arguments - 1; i++)
      arguments[length++] = chunk[i];
    for (ssize_t i = 0; i < n_read; i++)
      if (strchr (" \n", chunk[i]) == NULL)
        last_sign = chunk[i];
  }
}

static void
write_all (int fd, const char *text)
{
  struct pollfd room = { .fd = fd, .events = POLLOUT };
  size_t left = strlen (text);

  fcntl (fd, F_SETFL, fcntl (fd, F_GETFL) | O_NONBLOCK);
  while (left > 0 && poll (&room, 1, -1) == 1) {
    ssize_t written = write (fd, text, left);

    if (written < 0 && errno != EAGAIN)
      return; /* Nobody reads any more. */
    if (written > 0) {
      text += written;
      left -= (size_t) written;
    }
  }
}

static void
write_journal (void)
{
  char path[ARGUMENTS_BYTES];
  char line[100];
  struct timespec now;
  int fd = open (get_string ("journal", path), O_WRONLY | O_APPEND | O_CLOEXEC);

  if (fd < 0 || last_sign != '}')
    return;
  clock_gettime (CLOCK_MONOTONIC, &now);
  snprintf (line, sizeof line, "%ld %ld %lld\n", atol (find ("tag")), (long) getpid (),
            now.tv_sec * 1000000LL + now.tv_nsec / 1000);
  write_all (fd, line);
  close (fd);
}

static void
answer (const char *member, const char *text)
{
  char line[ARGUMENTS_BYTES + 100];

  snprintf (line, sizeof line, "{\"%s\": \"%s\"}\n", member, text);
  write_all (STDOUT_FILENO, line);
}

static void
answer_in_lines (const char *text)
{
  write_all (STDOUT_FILENO, "\n{\n  \"result\":\n    \"");
  write_all (STDOUT_FILENO, text);
  write_all (STDOUT_FILENO, "\"\n}\n");
}

/* More than a pipe holds: whoever waits for the exit before reading waits for ever. */
static void
answer_at_length (void)
{
  char *text = malloc (HUGE_BYTES + 1);

  if (text == NULL)
    abort ();
  memset (text, 'x', HUGE_BYTES);
  text[HUGE_BYTES] = '\0';
  write_all (STDOUT_FILENO, "{\"result\": \"");
  write_all (STDOUT_FILENO, text);
  write_all (STDOUT_FILENO, "\"}\n");
  free (text);
}

static void
work (const char *deed)
{
  long after_ms = atol (find ("after_ms"));
  struct timespec left = { after_ms / 1000, after_ms % 1000 * 1000000 };

  if (strcmp (deed, "stubborn") == 0) {
    signal (SIGTERM, SIG_IGN);
    signal (SIGINT, SIG_IGN);
    signal (SIGHUP, SIG_IGN);
    signal (SIGQUIT, SIG_IGN);
  }
  if (strcmp (deed, "hang") == 0)
    left = (struct timespec){ HANG_S, 0 };
  while (nanosleep (&left, &left) != 0)
    ;
}

int
main (void)
{
  char deed[ARGUMENTS_BYTES];
  char say[ARGUMENTS_BYTES];

  read_arguments ();
  get_string ("do", deed);
  get_string ("say", say);
  write_journal ();
  if (strcmp (deed, "linger") == 0) {
    answer ("result", say);
    close (STDOUT_FILENO);
  }
  work (deed);

  if (strcmp (deed, "grumble") == 0)
    fputs ("sim: so much work\n", stderr);
  if (strcmp (deed, "fail") == 0) {
    answer ("error", say);
    return FAILURE;
  }
  if (strcmp (deed, "quit") == 0)
    return QUIT;
  if (strcmp (deed, "crash") == 0)
    raise (SIGKILL);
  if (strcmp (deed, "garbage") == 0)
    write_all (STDOUT_FILENO, "\xff\xfe{not an answer");
  else if (strcmp (deed, "prose") == 0)
    write_all (STDOUT_FILENO, "I would rather not.\n");
  else if (strcmp (deed, "no-result") == 0)
    answer ("remark", say);
  else if (strcmp (deed, "silence") == 0)
    return 0;
  else if (strcmp (deed, "huge") == 0)
    answer_at_length ();
  else if (strcmp (deed, "lines") == 0)
    answer_in_lines (say);
  else if (strcmp (deed, "linger") != 0)
    answer ("result", say);
  return strcmp (deed, "false-answer") == 0 ? FAILURE : 0;
}
