// attack 62: prints NUL, every byte, broken UTF-8 and noncharacters; expected: marks lost
#define _GNU_SOURCE
#include "experiments.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
  for (int round = 0; round < 50; round++)
    for (int byte = 0; byte < 256; byte++)
      putchar (byte);
  fputs ("\xff\xfe\xc0\x80\xed\xa0\x80\xf8\x88\x80\x80\x80 \xef\xbf\xbf\n", stdout);
  fwrite ("a\0b\0c\n", 1, 6, stderr);
  return 0;
}
