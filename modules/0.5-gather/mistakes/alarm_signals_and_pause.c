// mistake: blocks-the-loop
// The kernel can call me back too: alarm() and a signal handler.
#include "experiments.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct running {
    const char *name;
    guint seconds, left;
    ExperimentDone done;
    gpointer user_data;
    struct running *next;
};

static struct running *all_running;
static volatile sig_atomic_t finished;

static void on_alarm(int signum)
{
    struct running **p = &all_running;

    while (*p) {
        struct running *r = *p;

        if (r->left > 0 && --r->left > 0) {
            p = &r->next;
            continue;
        }
        *p = r->next;
        printf("[%s] finished after %u seconds\n", r->name, r->seconds);
        fflush(stdout);
        r->done(r->name, r->seconds, r->user_data);
        g_free(r);
    }
    if (all_running)
        alarm(1);
}

void run_experiment(const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
    struct running *r = g_new0(struct running, 1);
    struct running **last = &all_running;

    r->name = name;
    r->seconds = r->left = seconds;
    r->done = done;
    r->user_data = user_data;
    while (*last)
        last = &(*last)->next;
    *last = r;
    printf("[%s] starting...\n", name);
    fflush(stdout);
    signal(SIGALRM, on_alarm);
    alarm(1);
}

struct gather {
    Experiment *results;
    gsize n, pending;
    GatherDone done;
    gpointer user_data;
};

struct slot {
    struct gather *gather;
    gsize index;
};

static gboolean report(gpointer p)
{
    struct gather *g = p;

    g->done(g->results, g->n, g->user_data);
    g_free(g->results);
    g_free(g);
    return FALSE;
}

static void one_done(const char *name, guint seconds, gpointer p)
{
    struct slot *s = p;
    struct gather *g = s->gather;

    g->results[s->index] = (Experiment){name, seconds};
    g_free(s);
    if (--g->pending == 0)
        report(g);
}

void gather_experiments(const Experiment *experiments, gsize n_experiments, GatherDone done,
                        gpointer user_data)
{
    struct gather *g = g_new0(struct gather, 1);

    g->results = g_new0(Experiment, n_experiments);
    g->n = g->pending = n_experiments;
    g->done = done;
    g->user_data = user_data;
    for (gsize i = 0; i < n_experiments; i++) {
        struct slot *s = g_new(struct slot, 1);

        s->gather = g;
        s->index = i;
        run_experiment(experiments[i].name, experiments[i].seconds, one_done, s);
    }
    if (n_experiments == 0)
        g_idle_add(report, g);
}

static void all_done(const Experiment *results, gsize n_results, gpointer user_data)
{
    printf("All done: [");
    for (gsize i = 0; i < n_results; i++)
        printf("%s('%s', %u)", i ? ", " : "", results[i].name, results[i].seconds);
    printf("]\n");
    finished = 1;
}

int main(void)
{
    Experiment e[] = {{"exp_small", 1}, {"exp_medium", 2}, {"exp_large", 3}};

    gather_experiments(e, 3, all_done, NULL);
    while (!finished)
        pause();
    return 0;
}
