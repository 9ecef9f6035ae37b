// mistake: blocks-the-loop
// Each callback sleeps only for what is left, so nothing adds up.
#include "experiments.h"

/* Was ein laufendes Experiment sich merken muß, bis seine Zeit um ist. */
typedef struct {
  const char *name;
  guint sekunden;
  gint64 ende_us;
  ExperimentDone fertig;
  gpointer daten;
} Versuch;

/* Läuft in der Hauptschleife – nie früher als nach »sekunden« Sekunden. */
static gboolean
zeit_ist_um (gpointer daten)
{
  Versuch *v = daten;
  gint64 rest_us = v->ende_us - g_get_monotonic_time ();

  if (rest_us > 0)
    g_usleep (rest_us);
  g_print ("[%s] finished after %u seconds\n", v->name, v->sekunden);
  v->fertig (v->name, v->sekunden, v->daten);
  g_free (v);
  return G_SOURCE_REMOVE; /* Einmal genügt. */
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Versuch *v = g_new (Versuch, 1);

  v->name = name;
  v->sekunden = seconds;
  v->fertig = done;
  v->daten = user_data;
  g_print ("[%s] starting...\n", name);
  v->ende_us = g_get_monotonic_time () + (gint64) seconds * G_USEC_PER_SEC;
  g_idle_add (zeit_ist_um, v);
}

/* Zählt, wie viele noch fehlen. */
typedef struct {
  Experiment *ergebnisse;
  gsize größe;
  gsize fehlen;
  GatherDone fertig;
  gpointer daten;
} Sammlung;

typedef struct {
  Sammlung *sammlung;
  gsize platz;
} Platz;

static gboolean
alle_da (gpointer daten)
{
  Sammlung *s = daten;

  s->fertig (s->ergebnisse, s->größe, s->daten);
  g_free (s->ergebnisse);
  g_free (s);
  return G_SOURCE_REMOVE;
}

static void
einer_da (const char *name, guint seconds, gpointer daten)
{
  Platz *p = daten;
  Sammlung *s = p->sammlung;

  s->ergebnisse[p->platz] = (Experiment){ name, seconds };
  g_free (p);
  if (--s->fehlen == 0)
    alle_da (s);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Sammlung *s = g_new (Sammlung, 1);

  s->ergebnisse = g_new (Experiment, n_experiments);
  s->größe = s->fehlen = n_experiments;
  s->fertig = done;
  s->daten = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Platz *p = g_new (Platz, 1);

    p->sammlung = s;
    p->platz = i;
    run_experiment (experiments[i].name, experiments[i].seconds, einer_da, p);
  }
  if (n_experiments == 0)
    g_idle_add (alle_da, s); /* Nichts zu tun, aber gemeldet wird trotzdem später. */
}

static void
ausgeben (const Experiment *results, gsize n_results, gpointer user_data)
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
  const Experiment versuche[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  GMainLoop *schleife = g_main_loop_new (NULL, FALSE);

  gather_experiments (versuche, G_N_ELEMENTS (versuche), ausgeben, schleife);
  g_main_loop_run (schleife);
  g_main_loop_unref (schleife);
  return 0;
}
