/* Three GThreads that sleep at the same time, and a GTask in a thread of its own. */
#include <gio/gio.h>

static gpointer
run (gpointer data)
{
  g_usleep (GPOINTER_TO_UINT (data) * G_USEC_PER_SEC);
  g_print ("thread %u\n", GPOINTER_TO_UINT (data));
  return data;
}

static void
run_task (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  g_usleep (1500000);
  g_task_return_int (task, 42);
}

static void
on_task (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_print ("task %d\n", (int) g_task_propagate_int (G_TASK (result), NULL));
  g_main_loop_quit (user_data);
}

int
main (void)
{
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);
  GTask *task = g_task_new (NULL, NULL, on_task, loop);
  GThread *threads[3];

  for (guint i = 0; i < 3; i++)
    threads[i] = g_thread_new ("sleeper", run, GUINT_TO_POINTER (3 - i));
  g_task_run_in_thread (task, run_task);
  g_object_unref (task);
  g_main_loop_run (loop);
  for (guint i = 0; i < 3; i++)
    g_thread_join (threads[i]);
  g_main_loop_unref (loop);
  g_print ("joined\n");
  return 0;
}
