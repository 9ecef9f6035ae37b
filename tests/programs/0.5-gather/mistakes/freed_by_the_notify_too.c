// mistake: double-free
#include "experiments.h"
#include <gio/gio.h>

/* what travels to the other side of the wait */
struct travel_bag {
  char *label;
  guint length;
  ExperimentDone tell;
  gpointer tell_arg;
};

static void
travel_bag_free (gpointer p)
{
  struct travel_bag *bag = p;
  g_free (bag->label);
  g_free (bag);
}

static gboolean
experiment_wakes_up (gpointer p)
{
  struct travel_bag *bag = p;
  g_print ("[%s] finished after %u seconds\n", bag->label, bag->length);
  bag->tell (bag->label, bag->length, bag->tell_arg);
  travel_bag_free (bag);
  return FALSE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  struct travel_bag *bag = g_new (struct travel_bag, 1);
  bag->label = g_strdup (name);
  bag->length = seconds;
  bag->tell = done;
  bag->tell_arg = user_data;
  g_print ("[%s] starting...\n", bag->label);
  g_timeout_add_full (G_PRIORITY_DEFAULT, seconds * 1000u, experiment_wakes_up, bag,
                      travel_bag_free);
}

/* Every member knows its own answer; the gather keeps the members in a list. */
typedef struct {
  GList *members;
  guint running;
  GatherDone callback;
  gpointer callback_data;
} Party;

typedef struct {
  Party *party;
  char *name;
  guint seconds;
} Guest;

static void
guest_free (gpointer p)
{
  Guest *guest = p;
  g_free (guest->name);
  g_free (guest);
}

static gboolean
party_over (gpointer p)
{
  Party *party = p;
  GArray *answer = g_array_new (FALSE, FALSE, sizeof (Experiment));
  for (GList *l = party->members; l != NULL; l = l->next) {
    Guest *guest = l->data;
    Experiment e = { guest->name, guest->seconds };
    g_array_append_val (answer, e);
  }
  party->callback ((Experiment *) (void *) answer->data, answer->len, party->callback_data);
  g_array_free (answer, TRUE);
  g_list_free_full (party->members, guest_free);
  g_free (party);
  return G_SOURCE_REMOVE;
}

static void
guest_leaves (const char *name, guint seconds, gpointer p)
{
  Guest *guest = p;
  guest->name = g_strdup (name);
  guest->seconds = seconds;
  guest->party->running -= 1;
  if (guest->party->running == 0)
    party_over (guest->party);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Party *party = g_new0 (Party, 1);
  party->callback = done;
  party->callback_data = user_data;
  party->running = n_experiments;
  for (gsize i = n_experiments; i-- > 0;) {
    Guest *guest = g_new0 (Guest, 1);
    guest->party = party;
    party->members = g_list_prepend (party->members, guest);
  }
  GList *l = party->members;
  for (gsize i = 0; i < n_experiments; i++, l = l->next)
    run_experiment (experiments[i].name, experiments[i].seconds, guest_leaves, l->data);
  if (party->running == 0)
    g_idle_add (party_over, party);
}

typedef struct { GMainLoop *loop; GString *text; } App;

static void
show (const Experiment *results, gsize n_results, gpointer user_data)
{
  App *app = user_data;
  g_string_assign (app->text, "All done: [");
  for (const Experiment *e = results; e < results + n_results; e++)
    g_string_append_printf (app->text, "%s('%s', %u)", e == results ? "" : ", ", e->name,
                            e->seconds);
  g_string_append (app->text, "]\n");
  g_print ("%s", app->text->str);
  g_main_loop_quit (app->loop);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  App app = { g_main_loop_new (NULL, FALSE), g_string_new (NULL) };

  gather_experiments (experiments, 3, show, &app);
  g_main_loop_run (app.loop);

  g_main_loop_unref (app.loop);
  g_string_free (app.text, TRUE);
  return 0;
}
