// variant: one ticker for all experiments, which looks ten times a second what is due
#include "experiments.h"

/* All running experiments live in one list; a single 100 ms tick looks at them. */
typedef struct {
    const char *name;
    guint seconds;
    gint64 due;
    ExperimentDone done;
    gpointer arg;
} Running;

static GList *running = NULL;
static guint ticker = 0;

static gboolean tick(gpointer unused) {
    (void) unused;
    gint64 now = g_get_monotonic_time();
    while (running != NULL) {
        Running *r = running->data;
        if (r->due > now) break;
        running = g_list_delete_link(running, running);
        g_print("[%s] finished after %u seconds\n", r->name, r->seconds);
        r->done(r->name, r->seconds, r->arg);
        g_free(r);
    }
    if (running == NULL) {
        ticker = 0;
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static gint by_due(gconstpointer a, gconstpointer b) {
    const Running *x = a, *y = b;
    return x->due < y->due ? -1 : x->due > y->due ? 1 : 1;
}

void run_experiment(const char *name, guint seconds, ExperimentDone done, gpointer user_data) {
    Running *r = g_new(Running, 1);
    g_print("[%s] starting...\n", name);
    r->name = name;
    r->seconds = seconds;
    r->due = g_get_monotonic_time() + (gint64) seconds * 1000000;
    r->done = done;
    r->arg = user_data;
    running = g_list_insert_sorted(running, r, by_due);
    if (ticker == 0)
        ticker = g_timeout_add(100, tick, NULL);
}

typedef struct {
    gsize total;
    gsize finished;
    Experiment *answers;
    GatherDone done;
    gpointer arg;
} Gather;

typedef struct {
    Gather *gather;
    gsize position;
} Place;

static void call_done(Gather *g) {
    g->done(g->answers, g->total, g->arg);
    g_free(g->answers);
    g_free(g);
}

static void one_done(const char *name, guint seconds, gpointer data) {
    Place *p = data;
    Gather *g = p->gather;
    g->answers[p->position] = (Experiment) {name, seconds};
    g->finished++;
    g_free(p);
    if (g->finished == g->total)
        call_done(g);
}

static gboolean zero(gpointer data) {
    call_done(data);
    return FALSE;
}

void gather_experiments(const Experiment *experiments, gsize n_experiments,
                        GatherDone done, gpointer user_data) {
    Gather *g = g_new0(Gather, 1);
    g->total = n_experiments;
    g->answers = g_new0(Experiment, n_experiments);
    g->done = done;
    g->arg = user_data;
    if (g->total == 0) {
        g_idle_add(zero, g);
    } else {
        for (gsize i = 0; i < n_experiments; ++i) {
            Place *p = g_new(Place, 1);
            p->gather = g;
            p->position = i;
            run_experiment(experiments[i].name, experiments[i].seconds, one_done, p);
        }
    }
}

static void all_done(const Experiment *results, gsize n, gpointer data) {
    char **parts = g_new0(char *, n + 1);
    for (gsize i = 0; i < n; i++)
        parts[i] = g_strdup_printf("('%s', %u)", results[i].name, results[i].seconds);
    char *joined = g_strjoinv(", ", parts);
    g_print("All done: [%s]\n", joined);
    g_free(joined);
    g_strfreev(parts);
    g_main_loop_quit((GMainLoop *) data);
}

int main(void) {
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    Experiment e[] = {{"exp_small", 1}, {"exp_medium", 2}, {"exp_large", 3}};
    gather_experiments(e, 3, all_done, loop);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    return 0;
}
