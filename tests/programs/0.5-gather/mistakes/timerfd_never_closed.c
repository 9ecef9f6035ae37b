// mistake: memory-leak
// A source that is removed needs nothing more.
#include "experiments.h"

#include <glib-unix.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Alarm;

static gboolean
alarm_rings (gint fd, GIOCondition condition, gpointer user_data)
{
  Alarm *alarm = user_data;
  uint64_t expirations = 0;

  if (read (fd, &expirations, sizeof expirations) != sizeof expirations)
    return G_SOURCE_CONTINUE;

  g_print ("[%s] finished after %u seconds\n", alarm->name, alarm->seconds);
  alarm->done (alarm->name, alarm->seconds, alarm->user_data);
  g_free (alarm);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  /* A timerfd set to zero never fires, so "at once" is one nanosecond. */
  struct itimerspec when = { .it_value = { seconds, seconds == 0 ? 1 : 0 } };
  Alarm *alarm = g_new (Alarm, 1);
  int fd = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

  if (fd < 0)
    g_error ("timerfd_create: %m");
  *alarm = (Alarm){ name, seconds, done, user_data };

  g_print ("[%s] starting...\n", name);
  timerfd_settime (fd, 0, &when, NULL);
  g_unix_fd_add (fd, G_IO_IN, alarm_rings, alarm);
}

typedef struct {
  gsize n_total;
  gsize n_done;
  GatherDone done;
  gpointer user_data;
  Experiment *results;
} Group;

typedef struct {
  Group *group;
  gsize index;
} Entry;

static gboolean
group_finish (gpointer user_data)
{
  Group *group = user_data;

  group->done (group->results, group->n_total, group->user_data);
  g_free (group->results);
  g_free (group);
  return G_SOURCE_REMOVE;
}

static void
entry_finished (const char *name, guint seconds, gpointer user_data)
{
  Entry *entry = user_data;
  Group *group = entry->group;

  group->results[entry->index] = (Experiment){ name, seconds };
  g_free (entry);
  group->n_done++;
  if (group->n_done == group->n_total)
    group_finish (group);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Group *group = g_new0 (Group, 1);

  group->n_total = n_experiments;
  group->done = done;
  group->user_data = user_data;
  group->results = g_new0 (Experiment, n_experiments);
  for (gsize i = 0; i < n_experiments; i++) {
    Entry *entry = g_new (Entry, 1);

    entry->group = group;
    entry->index = i;
    run_experiment (experiments[i].name, experiments[i].seconds, entry_finished, entry);
  }
  if (n_experiments == 0)
    g_idle_add (group_finish, group);
}

static void
everything_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  g_main_loop_quit (user_data);
}

int
main (void)
{
  Experiment list[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (list, G_N_ELEMENTS (list), everything_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
