/* Child processes in all the ways that GLib and libc have. */
#include <gio/gio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static GMainLoop *loop;
static int n_running;

static void
on_exit_of (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  g_print ("subprocess %s\n", (char *) user_data);
  if (--n_running == 0)
    g_main_loop_quit (loop);
}

static void
start (const char *seconds)
{
  GSubprocess *child = g_subprocess_new (0, NULL, "sleep", seconds, NULL);

  n_running++;
  g_subprocess_wait_async (child, NULL, on_exit_of, (gpointer) seconds);
  g_object_unref (child);
}

int
main (void)
{
  char line[64] = "", *output = NULL;
  int status;
  FILE *pipe;

  loop = g_main_loop_new (NULL, FALSE);
  start ("3");
  start ("1");
  start ("2");
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  g_spawn_command_line_sync ("sh -c 'sleep 1; echo out'", &output, NULL, &status, NULL);
  g_print ("spawn_sync %s", output);
  g_free (output);
  g_print ("system %d\n", WEXITSTATUS (system ("sleep 1; exit 7")));
  pipe = popen ("sleep 1; echo piped; exit 3", "r");
  while (fgets (line, sizeof line, pipe) != NULL)
    g_print ("popen %s", line);
  g_print ("pclose %d\n", WEXITSTATUS (pclose (pipe)));
  if (fork () == 0) {
    sleep (1);
    _exit (5);
  }
  wait (&status);
  g_print ("fork %d\n", WEXITSTATUS (status));
  return 0;
}
