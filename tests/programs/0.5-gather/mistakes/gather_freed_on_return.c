// mistake: dangling-user-data
// What gather allocates, gather frees before it returns.
#include "experiments.h"
#include <stdio.h>

struct run {
    const char *name;
    guint seconds;
    ExperimentDone done;
    void *arg;
};

struct gather {
    GatherDone done;
    void *arg;
    size_t n, pending;
    Experiment *out;
};

struct slot {
    struct gather *g;
    size_t i;
};

static void time_up(gpointer p)
{
    struct run *r = p;

    g_print("[%s] finished after %u seconds\n", r->name, r->seconds);
    r->done(r->name, r->seconds, r->arg);
    g_free(r);
}

void run_experiment(const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
    struct run *r = g_malloc(sizeof *r);

    r->name = name;
    r->seconds = seconds;
    r->done = done;
    r->arg = user_data;
    g_print("[%s] starting...\n", name);
    g_timeout_add_once(seconds * 1000u, time_up, r);
}

static void report(gpointer p)
{
    struct gather *g = p;

    g->done(g->out, g->n, g->arg);
    g_free(g->out);
    if (g->n == 0)
        g_free(g);
}

static void one(const char *name, guint seconds, gpointer p)
{
    struct slot *s = p;
    struct gather *g = s->g;

    g->out[s->i].name = name;
    g->out[s->i].seconds = seconds;
    g_free(s);
    if (--g->pending == 0)
        report(g);
}

void gather_experiments(const Experiment *experiments, gsize n_experiments, GatherDone done,
                        gpointer user_data)
{
    struct gather *g = g_malloc0(sizeof *g);
    size_t i;

    g->done = done;
    g->arg = user_data;
    g->n = g->pending = n_experiments;
    g->out = g_malloc0_n(n_experiments, sizeof *g->out);
    for (i = 0; i < n_experiments; i++) {
        struct slot *s = g_malloc(sizeof *s);

        s->g = g;
        s->i = i;
        run_experiment(experiments[i].name, experiments[i].seconds, one, s);
    }
    if (n_experiments == 0)
        g_idle_add_once(report, g);
    else
        g_free(g);
}

static void finished(const Experiment *results, gsize n_results, gpointer user_data)
{
    size_t i;

    printf("All done: [");
    for (i = 0; i < n_results; i++)
        printf(i ? ", ('%s', %u)" : "('%s', %u)", results[i].name, results[i].seconds);
    printf("]\n");
    g_main_loop_quit(user_data);
}

int main(void)
{
    static const Experiment three[] = {{"exp_small", 1}, {"exp_medium", 2}, {"exp_large", 3}};
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);

    gather_experiments(three, 3, finished, loop);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    return 0;
}
