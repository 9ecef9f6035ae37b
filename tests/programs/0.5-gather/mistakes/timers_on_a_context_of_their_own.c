// mistake: never-quits
// Its timers and its loop live on a context of its own.
#include "experiments.h"

static GMainContext *ctx;   /* the one all timers are in */

typedef struct _Job {
    const char     *name;
    guint           seconds;
    ExperimentDone  done;
    gpointer        user_data;
} Job;

static gboolean job_complete(gpointer data)
{
    g_autofree Job *job = data;

    g_print("[%s] finished after %u seconds\n", job->name, job->seconds);
    job->done(job->name, job->seconds, job->user_data);
    return G_SOURCE_REMOVE;
}

void run_experiment(const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
    Job *job = g_new(Job, 1);
    if (ctx == NULL)
        ctx = g_main_context_new();
    GSource *timer = g_timeout_source_new(1000 * seconds);

    *job = (Job) { .name = name, .seconds = seconds, .done = done, .user_data = user_data };
    g_print("[%s] starting...\n", name);
    g_source_set_callback(timer, job_complete, job, NULL);
    g_source_attach(timer, ctx);
    g_source_unref(timer);
}

typedef struct {
    GArray     *answers;      /* of Experiment */
    guint       left;
    GatherDone  done;
    gpointer    user_data;
} Group;

typedef struct {
    Group *group;
    guint  place;
} Member;

static void group_finish(Group *group)
{
    group->done((const Experiment *) group->answers->data, group->answers->len, group->user_data);
    g_array_unref(group->answers);
    g_free(group);
}

static gboolean group_finish_idle(gpointer data)
{
    group_finish(data);
    return FALSE;
}

static void member_done(const char *name, guint seconds, gpointer data)
{
    g_autofree Member *m = data;
    Experiment *e = &g_array_index(m->group->answers, Experiment, m->place);

    e->name = name;
    e->seconds = seconds;
    m->group->left -= 1;
    if (m->group->left == 0)
        group_finish(m->group);
}

void gather_experiments(const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data)
{
    Group *group = g_new0(Group, 1);
    guint i;

    group->answers = g_array_new(FALSE, TRUE, sizeof(Experiment));
    g_array_set_size(group->answers, n_experiments);
    group->left = n_experiments;
    group->done = done;
    group->user_data = user_data;

    for (i = 0; i < n_experiments; i++) {
        Member *m = g_new(Member, 1);
        m->group = group;
        m->place = i;
        run_experiment(experiments[i].name, experiments[i].seconds, member_done, m);
    }
    if (n_experiments == 0)
        g_idle_add(group_finish_idle, group);
}

static void print_results(const Experiment *results, gsize n_results, gpointer user_data)
{
    GMainLoop *loop = user_data;
    GString *line = g_string_new("All done: [");
    const char *sep = "";
    gsize i;

    for (i = 0; i < n_results; i++) {
        g_string_append_printf(line, "%s('%s', %u)", sep, results[i].name, results[i].seconds);
        sep = ", ";
    }
    g_string_append(line, "]");
    g_print("%s\n", line->str);
    g_string_free(line, TRUE);
    g_main_loop_quit(loop);
}

int main(void)
{
    const Experiment experiments[] = {
        { "exp_small", 1 },
        { "exp_medium", 2 },
        { "exp_large", 3 },
    };
    ctx = g_main_context_new();
    GMainLoop *loop = g_main_loop_new(ctx, FALSE);

    gather_experiments(experiments, G_N_ELEMENTS(experiments), print_results, loop);
    g_main_loop_run(loop);
    g_main_loop_unref(loop);
    g_main_context_unref(ctx);
    return 0;
}
