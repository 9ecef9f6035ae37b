// variant: write() instead of stdio
#include <unistd.h>
#include <string.h>
#include <stdlib.h>
#include "experiments.h"

struct e { const char *n; guint s; ExperimentDone d; void *u; };
static void
emit (char *text)
{
  size_t len = strlen (text), off = 0;
  while (off < len) {
    ssize_t w = write (STDOUT_FILENO, text + off, len - off);
    if (w < 0)
      abort ();
    off += (size_t) w;
  }
  g_free (text);
}
static int
e_fire (void *p)
{
  struct e *e = p;
  emit (g_strdup_printf ("[%s] finished after %u seconds\n", e->n, e->s));
  e->d (e->n, e->s, e->u);
  free (e);
  return 0;
}
void
run_experiment (const char *name, guint seconds, ExperimentDone done, gpointer user_data)
{
  struct e *e = calloc (1, sizeof *e);
  if (!e)
    abort ();
  e->n = name; e->s = seconds; e->d = done; e->u = user_data;
  emit (g_strconcat ("[", name, "] starting...\n", NULL));
  g_timeout_add (1000 * seconds, e_fire, e);
}

struct gather { GQueue children; Experiment *r; gsize n; GatherDone d; void *u; };
struct child { struct gather *g; GList link; gsize i; };
static gboolean
gather_last (gpointer p)
{
  struct gather *g = p;
  g->d (g->r, g->n, g->u);
  free (g->r);
  free (g);
  return G_SOURCE_REMOVE;
}
static void
child_done (const char *name, guint seconds, gpointer p)
{
  struct child *c = p;
  struct gather *g = c->g;
  g->r[c->i] = (Experiment) { .name = name, .seconds = seconds };
  g_queue_unlink (&g->children, &c->link);
  free (c);
  if (g_queue_is_empty (&g->children))
    gather_last (g);
}
void
gather_experiments (const Experiment *experiments, gsize n_experiments, GatherDone done, gpointer user_data)
{
  struct gather *g = calloc (1, sizeof *g);
  if (g == NULL)
    abort ();
  g_queue_init (&g->children);
  g->n = n_experiments;
  g->r = calloc (n_experiments ? n_experiments : 1, sizeof *g->r);
  g->d = done;
  g->u = user_data;
  for (gsize i = 0; i < n_experiments; i++) {
    struct child *c = calloc (1, sizeof *c);
    if (c == NULL)
      abort ();
    c->g = g;
    c->i = i;
    c->link.data = c;
    g_queue_push_tail_link (&g->children, &c->link);
    run_experiment (experiments[i].name, experiments[i].seconds, child_done, c);
  }
  if (n_experiments == 0)
    g_timeout_add (0, gather_last, g);
}

static void
all_done (const Experiment *results, gsize n_results, gpointer user_data)
{
  char *line = g_strdup ("All done: [");
  for (gsize i = 0; i < n_results; i++) {
    char *next = g_strdup_printf ("%s%s('%s', %u)", line, i ? ", " : "", results[i].name, results[i].seconds);
    g_free (line);
    line = next;
  }
  emit (g_strconcat (line, "]\n", NULL));
  g_free (line);
  g_main_loop_quit ((GMainLoop *) user_data);
}

int
main (void)
{
  const Experiment experiments[] = {
    { "exp_small", 1 }, { "exp_medium", 2 }, { "exp_large", 3 },
  };
  GMainLoop *loop = g_main_loop_new (NULL, FALSE);

  gather_experiments (experiments, 3, all_done, loop);
  g_main_loop_run (loop);
  g_main_loop_unref (loop);
  return 0;
}
