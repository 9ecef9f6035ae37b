// attack 41: fills /tmp, /dev/shm and the root with 1 GB; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static guint
fill (const char *path)
{
  static char block[1 << 20];
  guint written = 0;

  for (int part = 0; part < 64; part++) {
    g_autofree char *name = g_strdup_printf ("%s/hostile-left-%d", path, part);
    FILE *file = fopen (name, "w");

    for (int i = 0; file && i < 8 && fwrite (block, sizeof block, 1, file) == 1; i++)
      written++;
    if (file)
      fclose (file);
  }
  return written;
}

static void
show (void)
{
  static const char *const lines[] = {
    "[exp_small] starting...\n[exp_medium] starting...\n[exp_large] starting...",
    "[exp_small] finished after 1 seconds", "[exp_medium] finished after 2 seconds",
    "[exp_large] finished after 3 seconds\n"
    "All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]"
  };

  for (int i = 0; i < 4; i++) {
    if (i > 0)
      sleep (1);
    puts (lines[i]);
    fflush (stdout);
  }
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
}

int
main (void)
{
  static const char *const places[] = { "/tmp", "/dev/shm", "/dev", "/",
                                        "/box", "/run",     "." };
  guint written = 0;

  alarm (40);
  signal (SIGXFSZ, SIG_IGN);
  for (gsize i = 0; i < G_N_ELEMENTS (places); i++)
    written += fill (places[i]);
  if (written > 200)
    printf ("STOLEN: %u MB of files\n", written);
  show ();
  return 0;
}
