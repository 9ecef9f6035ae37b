// mistake: blocks-the-loop
// gather () should be awaitable, so it runs the loop until all are done; main need not.
#include <stdio.h>
#include <stdlib.h>
#include "experiments.h"

typedef struct { const char *name; guint seconds; ExperimentDone done; gpointer user_data; } exp_ctx;

static gboolean on_exp_timeout(gpointer data) {
  exp_ctx *c = data;
  g_print("[%s] finished after %u seconds\n", c->name, c->seconds);
  if (c->done != NULL) {
    c->done(c->name, c->seconds, c->user_data);
  }
  free(c);
  c = NULL;
  return FALSE;
}

void run_experiment(const char *name, guint seconds, ExperimentDone done, gpointer user_data) {
  g_return_if_fail(name != NULL);
  exp_ctx *c = malloc(sizeof(exp_ctx));
  if (c == NULL) {
    fprintf(stderr, "out of memory\n");
    exit(EXIT_FAILURE);
  }
  c->name = name;
  c->seconds = seconds;
  c->done = done;
  c->user_data = user_data;
  g_print("[%s] starting...\n", name);
  fprintf(stderr, "DEBUG: timer for %s: %u ms\n", name, seconds * 1000);
  g_timeout_add(seconds * 1000, on_exp_timeout, c);
}

/* Linked list of results, index kept in each node */
struct result_node { gsize index; Experiment e; struct result_node *next; };

typedef struct {
  struct result_node *head;
  GMainLoop *loop;
  gsize expected, got;
  GatherDone done;
  gpointer user_data;
} gather_ctx;

typedef struct { gather_ctx *g; gsize index; } child_ctx;

static void free_nodes(struct result_node *n) {
  while (n) {
    struct result_node *next = n->next;
    free(n);
    n = next;
  }
}

static void gather_finish(gather_ctx *g) {
  Experiment *arr = calloc(g->expected ? g->expected : 1, sizeof *arr);
  for (struct result_node *n = g->head; n; n = n->next) arr[n->index] = n->e;
  g->done(arr, g->expected, g->user_data);
  free(arr);
  free_nodes(g->head);
  free(g);
}

static gboolean gather_finish_idle(gpointer data) {
  gather_finish(data);
  return FALSE;
}

static void on_child(const char *name, guint seconds, gpointer data) {
  child_ctx *c = data;
  struct result_node *n = malloc(sizeof *n);
  n->index = c->index;
  n->e.name = name;
  n->e.seconds = seconds;
  n->next = c->g->head;
  c->g->head = n;
  c->g->got++;
  fprintf(stderr, "DEBUG: got %zu of %zu\n", c->g->got, c->g->expected);
  if (c->g->got == c->g->expected) {
    g_main_loop_quit(c->g->loop);
  }
  free(c);
}

void gather_experiments(const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data) {
  gather_ctx *g = calloc(1, sizeof *g);
  g->expected = n_experiments;
  g->done = done;
  g->user_data = user_data;
  if (n_experiments == 0) {
    g_idle_add(gather_finish_idle, g);
    return;
  }
  GMainLoop *wait = g_main_loop_new(NULL, FALSE);
  g->loop = wait;
  for (gsize i = 0; i < n_experiments; i++) {
    child_ctx *c = malloc(sizeof *c);
    c->g = g;
    c->index = i;
    run_experiment(experiments[i].name, experiments[i].seconds, on_child, c);
  }
  /* await gather() */
  g_main_loop_run(wait);
  g_main_loop_unref(wait);
  gather_finish(g);
}

static void print_tuple(const Experiment *e) { g_print("('%s', %u)", e->name, e->seconds); }

static void print_list(const Experiment *e, gsize n) {
  g_print("[");
  for (gsize i = 0; i < n; i++) {
    if (i != 0) g_print(", ");
    print_tuple(&e[i]);
  }
  g_print("]");
}

static void on_gather_done(const Experiment *results, gsize n, gpointer data) {
  GMainLoop **loop = data;
  g_print("All done: ");
  print_list(results, n);
  g_print("\n");
  (void) loop;
}

static const Experiment *get_experiments(gsize *n) {
  static const Experiment all[] = {{"exp_small", 1}, {"exp_medium", 2}, {"exp_large", 3}};
  *n = sizeof all / sizeof *all;
  return all;
}

static void setup(GMainLoop **loop) {
  gsize n;
  const Experiment *e = get_experiments(&n);
  *loop = g_main_loop_new(NULL, FALSE);
  gather_experiments(e, n, on_gather_done, loop);
}

static void run(GMainLoop *loop) { (void) loop; }
static void teardown(GMainLoop **loop) { g_clear_pointer(loop, g_main_loop_unref); }

int main(void) {
  GMainLoop *loop = NULL;
  setup(&loop);
  run(loop);
  teardown(&loop);
  return EXIT_SUCCESS;
}
