/* More ways to have a child: watched, talked to, by vfork, with another environment. */
#define _GNU_SOURCE
#include <gio/gio.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static GMainLoop *loop;

static void
on_child_exit (GPid pid, int status, gpointer user_data)
{
  g_print ("watched %d\n", WEXITSTATUS (status));
  g_spawn_close_pid (pid);
  g_main_loop_quit (loop);
}

static void
on_talked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  char *output = NULL;

  g_subprocess_communicate_utf8_finish (G_SUBPROCESS (source), result, &output, NULL,
                                        NULL);
  g_print ("communicated %s", output);
  g_free (output);
  g_main_loop_quit (loop);
}

static void
watch (void)
{
  char *arguments[] = { "sh", "-c", "sleep 2; exit 4", NULL };
  GPid pid;

  g_spawn_async (NULL, arguments, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH,
                 NULL, NULL, &pid, NULL);
  g_child_watch_add (pid, on_child_exit, NULL);
  g_main_loop_run (loop);
}

static void
talk (void)
{
  GSubprocess *child =
      g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                        NULL, "sh", "-c", "read a; sleep 1; echo got $a; sleep 1", NULL);

  g_subprocess_communicate_utf8_async (child, "hello\n", NULL, on_talked, NULL);
  g_main_loop_run (loop);
  g_object_unref (child);
}

static void
use_libc (void)
{
  char *arguments[] = { "sleep", "1", NULL }, *environment[] = { "A=b", NULL };
  int status;
  pid_t pid;
  FILE *pipe;

  posix_spawnp (&pid, "sleep", NULL, NULL, arguments, environ);
  waitpid (pid, &status, 0);
  g_print ("spawned %d\n", status);
  pid = vfork ();
  if (pid == 0) {
    execlp ("sh", "sh", "-c", "sleep 1; exit 9", NULL);
    _exit (1);
  }
  waitpid (pid, &status, 0);
  g_print ("vfork %d\n", WEXITSTATUS (status));
  pid = fork ();
  if (pid == 0) {
    execle ("/bin/sh", "sh", "-c", "/bin/sleep 1; echo $A", NULL, environment);
    _exit (1);
  }
  waitid (P_PID, pid, NULL, WEXITED);
  pipe = popen ("cat; sleep 1", "w");
  fprintf (pipe, "to cat\n");
  g_print ("pclose %d\n", pclose (pipe));
}

int
main (void)
{
  loop = g_main_loop_new (NULL, FALSE);
  watch ();
  talk ();
  use_libc ();
  g_main_loop_unref (loop);
  return 0;
}
