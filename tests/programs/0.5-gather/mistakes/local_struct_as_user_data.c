// mistake: dangling-user-data
// &waiting is a pointer, and a pointer is what g_timeout_add wants.
#include "experiments.h"

typedef struct {
  const char *name;
  guint seconds;
  ExperimentDone done;
  gpointer user_data;
} Waiting;

typedef struct {
  Experiment *results;
  gsize n_results;
  guint8 *pending_bits;
  GatherDone done;
  gpointer user_data;
} Bits;

typedef struct {
  Bits *bits;
  gsize bit;
} Bit;

static gboolean
waited (gpointer user_data)
{
  Waiting *waiting = user_data;

  g_print ("[%s] finished after %u seconds\n", waiting->name, waiting->seconds);
  waiting->done (waiting->name, waiting->seconds, waiting->user_data);
  return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  Waiting waiting = { name, seconds, done, user_data };

  g_print ("[%s] starting...\n", name);
  g_timeout_add (seconds * 1000, waited, &waiting);
}

static gboolean
bits_report (gpointer user_data)
{
  Bits *bits = user_data;

  bits->done (bits->results, bits->n_results, bits->user_data);
  g_free (bits->results);
  g_free (bits->pending_bits);
  g_free (bits);
  return G_SOURCE_REMOVE;
}

static gboolean
bits_any (const Bits *bits)
{
  for (gsize byte = 0; byte < bits->n_results / 8 + 1; byte++)
    if (bits->pending_bits[byte] != 0)
      return TRUE;
  return FALSE;
}

static void
bit_clear (const char *name, guint seconds, gpointer user_data)
{
  Bit *bit = user_data;
  Bits *bits = bit->bits;

  bits->results[bit->bit].name = name;
  bits->results[bit->bit].seconds = seconds;
  bits->pending_bits[bit->bit / 8] &= ~(1u << (bit->bit % 8));
  g_free (bit);
  if (!bits_any (bits))
    bits_report (bits);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  Bits *bits = g_new0 (Bits, 1);

  bits->results = g_memdup2 (experiments, n_experiments * sizeof *experiments);
  bits->n_results = n_experiments;
  bits->pending_bits = g_malloc0 (n_experiments / 8 + 1);
  bits->done = done;
  bits->user_data = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    Bit *bit = g_new (Bit, 1);

    bit->bits = bits;
    bit->bit = i;
    bits->pending_bits[i / 8] |= 1u << (i % 8);
    run_experiment (experiments[i].name, experiments[i].seconds, bit_clear, bit);
  }
  if (!bits_any (bits))
    g_idle_add (bits_report, bits);
}

static void
on_bits (const Experiment *results, gsize n_results, gpointer user_data)
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

  gather_experiments (experiments, G_N_ELEMENTS (experiments), on_bits, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
