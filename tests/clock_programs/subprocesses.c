/* What GSubprocess gives to a child and says of a missing one, with and without fork().
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <gio/gio.h>
#include <pthread.h>
#include <unistd.h>

static int n_forks;

static void
count_fork (void)
{
  n_forks++;
}

/* Says whether the child has our file, and whether we were copied for it. */
static void
ask (int fd)
{
  g_autofree char *script =
      g_strdup_printf ("test -e /proc/$$/fd/%d && echo open || echo closed; sleep 1", fd);
  g_autoptr (GSubprocess) child =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, NULL, "sh", "-c", script, NULL);
  g_autofree char *answer = NULL;

  g_subprocess_communicate_utf8 (child, NULL, NULL, &answer, NULL, NULL);
  g_print ("forks: %d, file: %s", n_forks, answer);
}

static void
merge (void)
{
  g_autoptr (GSubprocess) child =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE,
                        NULL, "sh", "-c", "echo out; echo error >&2", NULL);
  g_autofree char *answer = NULL;

  g_subprocess_communicate_utf8 (child, NULL, NULL, &answer, NULL, NULL);
  g_print ("merged: %s", answer);
}

int
main (void)
{
  int fd = open ("/dev/null", O_RDONLY);
  g_autoptr (GError) error = NULL;

  pthread_atfork (count_fork, NULL, NULL);
  ask (fd);
  close_range (STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  ask (fd);
  merge ();
  g_subprocess_new (G_SUBPROCESS_FLAGS_NONE, &error, "/nonexistent/tool", NULL);
  g_print ("missing: %d\n", g_error_matches (error, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT));
  return 0;
}
