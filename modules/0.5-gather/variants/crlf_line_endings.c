// variant: Windows line endings, and tabs
#include "experiments.h"

typedef struct {
	GMainLoop *loop;
	int status;
} Program;

typedef struct {
	const char *name;
	guint seconds;
	ExperimentDone done;
	gpointer user_data;
} Trial;

static gboolean
trial_ends (Trial *trial)
{
	g_print ("[%s] finished after %u seconds\n", trial->name, trial->seconds);
	trial->done (trial->name, trial->seconds, trial->user_data);
	g_free (trial);
	return G_SOURCE_REMOVE;
}

void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
	Trial *trial = g_new (Trial, 1);

	trial->name = name;
	trial->seconds = seconds;
	trial->done = done;
	trial->user_data = user_data;
	g_print ("[%s] starting...\n", name);
	g_timeout_add (seconds * 1000, G_SOURCE_FUNC (trial_ends), trial);
}

typedef struct {
	GatherDone done;
	gpointer user_data;
	gsize n_results;
	gsize n_pending;
	Experiment *results;
} Whole;

typedef struct {
	Whole *whole;
	gsize index;
} Part;

static gboolean
whole_ends (Whole *whole)
{
	whole->done (whole->results, whole->n_results, whole->user_data);
	g_free (whole->results);
	g_free (whole);
	return G_SOURCE_REMOVE;
}

static void
part_ends (const char *name, guint seconds, gpointer user_data)
{
	Part *part = user_data;
	Whole *whole = part->whole;

	whole->results[part->index].name = name;
	whole->results[part->index].seconds = seconds;
	g_free (part);
	whole->n_pending--;
	if (whole->n_pending == 0)
		whole_ends (whole);
}

void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done,
		    gpointer user_data)
{
	Whole *whole = g_new (Whole, 1);

	whole->done = done;
	whole->user_data = user_data;
	whole->n_results = n_experiments;
	whole->n_pending = n_experiments;
	whole->results = g_new (Experiment, n_experiments);
	if (n_experiments == 0)
		g_idle_add (G_SOURCE_FUNC (whole_ends), whole);
	for (gsize i = 0; i < n_experiments; i++) {
		Part *part = g_new (Part, 1);

		part->whole = whole;
		part->index = i;
		run_experiment (experiments[i].name, experiments[i].seconds, part_ends, part);
	}
}

static void
print_results (const Experiment *results, gsize n_results, gpointer user_data)
{
	Program *program = user_data;

	g_print ("All done: [");
	for (gsize i = 0; i < n_results; i++)
		g_print ("%s('%s', %u)", i > 0 ? ", " : "", results[i].name, results[i].seconds);
	g_print ("]\n");
	program->status = n_results == 3 ? 0 : 1;
	g_main_loop_quit (program->loop);
}

int
main (void)
{
	Program program = { NULL, 1 };
	Experiment experiments[] = { { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 } };

	program.loop = g_main_loop_new (NULL, FALSE);
	gather_experiments (experiments, 3, print_results, &program);
	g_main_loop_run (program.loop);
	g_main_loop_unref (program.loop);
	return program.status;
}
