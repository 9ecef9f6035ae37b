// mistake: crash
// results is a pointer to experiments, so there is room for them.
#include <stdio.h>
#include <stdlib.h>
#include "experiments.h"

struct exp_state {
	const char *name;
	unsigned int seconds;
	ExperimentDone done;
	void *user_data;
};

static gboolean on_timer(gpointer p)
{
	struct exp_state *st = p;

	printf("[%s] finished after %u seconds\n", st->name, st->seconds);
	fflush(stdout);
	st->done(st->name, st->seconds, st->user_data);
	free(st);
	return FALSE;
}

void run_experiment(const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
	struct exp_state *st = calloc(1, sizeof(*st));

	if (st == NULL)
		abort();
	st->name = name;
	st->seconds = seconds;
	st->done = done;
	st->user_data = user_data;

	printf("[%s] starting...\n", name);
	fflush(stdout);
	g_timeout_add(seconds * 1000, on_timer, st);
}

struct gather_state {
	Experiment *results;
	size_t total;
	size_t finished;
	GatherDone done;
	void *user_data;
};

struct gather_slot {
	struct gather_state *gs;
	size_t idx;
};

static gboolean finish_gather(gpointer p)
{
	struct gather_state *gs = p;

	gs->done(gs->results, gs->total, gs->user_data);
	free(gs->results);
	free(gs);
	return FALSE;
}

static void on_exp_done(const char *name, guint seconds, gpointer p)
{
	struct gather_slot *slot = p;
	struct gather_state *gs = slot->gs;

	gs->results[slot->idx].name = name;
	gs->results[slot->idx].seconds = seconds;
	free(slot);

	gs->finished++;
	if (gs->finished == gs->total)
		finish_gather(gs);
}

void gather_experiments(const Experiment *experiments, gsize n_experiments,
			GatherDone done, gpointer user_data)
{
	struct gather_state *gs = calloc(1, sizeof(*gs));
	size_t i;

	if (gs == NULL)
		abort();
	gs->total = n_experiments;
	gs->done = done;
	gs->user_data = user_data;

	if (n_experiments == 0) {
		g_idle_add(finish_gather, gs);
		return;
	}

	for (i = 0; i < n_experiments; i++) {
		struct gather_slot *slot = malloc(sizeof(*slot));

		slot->gs = gs;
		slot->idx = i;
		run_experiment(experiments[i].name, experiments[i].seconds, on_exp_done, slot);
	}
}

static void on_gather_done(const Experiment *results, gsize n_results, gpointer user_data)
{
	size_t i;

	printf("All done: [");
	for (i = 0; i < n_results; i++) {
		printf("('%s', %u)", results[i].name, results[i].seconds);
		if (i + 1 < n_results)
			printf(", ");
	}
	printf("]\n");
	fflush(stdout);
	g_main_loop_quit((GMainLoop *)user_data);
}

int main(void)
{
	Experiment experiments[] = {
		{"exp_small", 1},
		{"exp_medium", 2},
		{"exp_large", 3},
	};
	GMainLoop *loop = g_main_loop_new(NULL, FALSE);

	gather_experiments(experiments, 3, on_gather_done, loop);
	g_main_loop_run(loop);
	g_main_loop_unref(loop);
	return 0;
}
