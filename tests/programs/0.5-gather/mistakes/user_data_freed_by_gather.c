// mistake: double-free
// What I was given as user_data I free when I am done with it.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Wait;

typedef struct {
  Experiment *results;
  gsize n_results;
  gsize n_finished;
  GatherDone done;
  gpointer user_data;
} Party;

typedef struct {
  Party *party;
  gsize seat;
} Guest;

static gboolean
wait_over (gpointer user_data)
{
  Wait *wait = user_data;

  g_print ("[%s] finished after %u seconds\n", wait->name, wait->seconds);
  wait->done (wait->name, wait->seconds, wait->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Wait *wait = g_new (Wait, 1);

  wait->name = name;
  wait->seconds = seconds;
  wait->done = done;
  wait->user_data = user_data;
  g_print ("[%s] starting...\n", name);
  g_timeout_add_full (G_PRIORITY_DEFAULT_IDLE, seconds * 1000, wait_over, wait, g_free);
}

static gboolean
party_over (gpointer user_data)
{
  Party *party = user_data;

  party->done (party->results, party->n_results, party->user_data);
  g_free (party->results);
  g_free (party->user_data);
  g_free (party);
  return G_SOURCE_REMOVE;
}

static void
party_check (Party *party)
{
  if (party->n_finished == party->n_results)
    g_idle_add_full (G_PRIORITY_LOW, party_over, party, NULL);
}

static void
guest_leaves (const char *name, guint seconds, gpointer user_data)
{
  Guest *guest = user_data;
  Party *party = guest->party;

  party->results[guest->seat].name = name;
  party->results[guest->seat].seconds = seconds;
  g_free (guest);
  party->n_finished++;
  party_check (party);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Party *party = g_new0 (Party, 1);

  party->results = g_new0 (Experiment, n_experiments);
  party->n_results = n_experiments;
  party->done = done;
  party->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Guest *guest = g_new0 (Guest, 1);

    guest->party = party;
    guest->seat = i;
    run_experiment (experiments[i].name, experiments[i].seconds, guest_leaves, guest);
  }
  if (n_experiments == 0)
    party_check (party);
}

static void
goodbye (const Experiment *results, gsize n_results, gpointer user_data)
{
  g_print ("All done: [");
  for (gsize i = 0; i < n_results; i++)
    g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
  g_print ("]\n");
  g_main_loop_quit (user_data);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, G_N_ELEMENTS (experiments), goodbye, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
