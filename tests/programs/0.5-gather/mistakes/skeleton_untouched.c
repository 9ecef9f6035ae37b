// mistake: todo-left
// I have not begun yet.
#include "experiments.h"

/* ---- One experiment: a timer, and what its callback must remember ---- */

/* TODO 1: What must one running experiment remember until its time is up?
 * Describe it in a struct.  Then write the function that the loop calls
 * at that moment: it prints the line, tells whoever is waiting, and
 * leaves nothing behind: no memory, no second call. */

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  /* TODO 2: The first half of an experiment: print the starting line, make sure
   * that the loop calls the second half when the time is up, and return at
   * once.  Mind where the struct lives, and the unit of time. */
}

/* ---- Gather: count what is pending; whoever brings it to zero reports ---- */

/* TODO 3: What must one gather remember, and what must each of its experiments
 * know to put its result in the right place?  Describe both.  Then write
 * the function that is called when one experiment has finished: it stores
 * the result, and the last one reports and gives everything back. */

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
                    gpointer user_data)
{
  /* TODO 4: Prepare a gather, start every experiment, and return.  Several gathers
   * may be under way at once, and the caller may free the array as soon as
   * you return.  If there is nothing to gather, the caller still gets
   * exactly one report, and from the loop. */
}

/* ---- The program ---- */

/* TODO 5: Write the function that receives the results of all three: it prints
 * the last line of the output, and lets the program come to its end. */

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 },
    { "exp_medium", 2 },
    { "exp_large", 3 },
  };
  /* TODO 6: Make a main loop, gather the three experiments, let the loop run until
   * the report has been printed, and give back what you made. */
  (void) experiments; /* Keeps the compiler quiet; delete it. */
  return 0;
}
