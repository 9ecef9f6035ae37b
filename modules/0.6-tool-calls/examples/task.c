/* SPDX-License-Identifier: MIT
 *
 * Lesson 0.6: an asynchronous function in the manner of GIO, with a result and an error.
 *
 * double_async() takes a second to double a number, and refuses odd ones.
 */
#include <gio/gio.h>

// BEGIN async
static gboolean
on_doubled (gpointer user_data)
{
  GTask *task = user_data;
  int number = GPOINTER_TO_INT (g_task_get_task_data (task));

  g_task_return_int (task, 2 * number);
  return G_SOURCE_REMOVE;
}

static void
double_async (int number, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);

  g_task_set_task_data (task, GINT_TO_POINTER (number), NULL);
  if (number % 2 != 0)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_FAILED, "%d is odd", number);
  else
    g_timeout_add_full (G_PRIORITY_DEFAULT, 1000, on_doubled, g_object_ref (task),
                        g_object_unref);
}

static int
double_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_int (G_TASK (result), error);
}
// END async

// BEGIN use
typedef struct {
  GMainLoop *loop;
  int n_pending;
} Wait;

static void
on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Wait *wait = user_data;
  g_autoptr (GError) error = NULL;
  int doubled = double_finish (result, &error);

  if (error != NULL)
    g_print ("it failed: %s\n", error->message);
  else
    g_print ("it is %d\n", doubled);
  wait->n_pending--;
  if (wait->n_pending == 0)
    g_main_loop_quit (wait->loop);
}
// END use

int
main (void)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  Wait wait = { loop, 2 };

  double_async (21, on_result, &wait);
  double_async (4, on_result, &wait);
  g_print ("both have been asked\n");
  g_main_loop_run (loop);
  return 0;
}
