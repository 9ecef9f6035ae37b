/* SPDX-License-Identifier: MIT
 *
 * GLib's main loops: how many run on this thread, and how many are alive.
 *
 * Nothing here links to GLib: a program without it never calls these.
 */
#include "vclock.h"

#include <stdlib.h>

typedef struct _GMainLoop GMainLoop;
typedef struct _GMainContext GMainContext;
typedef int gboolean;

GMainLoop *g_main_loop_new (GMainContext *context, gboolean is_running);
GMainLoop *g_main_loop_ref (GMainLoop *loop);
void g_main_loop_unref (GMainLoop *loop);
void g_main_loop_run (GMainLoop *loop);
gboolean g_main_context_iteration (GMainContext *context, gboolean may_block);

typedef struct Alive Alive;

struct Alive {
  uintptr_t
      hidden; /* the loop's address in disguise: LeakSanitizer must not find it here */
  int64_t n_references;
  Alive *next;
};

static Alive *all_alive;

/* A loop that waits inside another one is told of when it begins: how soon it finds
 * something to do, in no time maybe, is up to chance. */
static void
enter_loop (const char *call, bool may_block)
{
  vclock_loop_depth++;
  if (vclock_loop_depth > 1 && may_block && vclock_is_on ())
    vclock_tell_inner_loop (call);
}

VCLOCK_EXPORT void
g_main_loop_run (GMainLoop *loop)
{
  enter_loop ("g_main_loop_run", true);
  REAL (g_main_loop_run) (loop);
  vclock_loop_depth--;
}

VCLOCK_EXPORT gboolean
g_main_context_iteration (GMainContext *context, gboolean may_block)
{
  gboolean dispatched;

  enter_loop ("g_main_context_iteration", may_block);
  dispatched = REAL (g_main_context_iteration) (context, may_block);
  vclock_loop_depth--;
  return dispatched;
}

VCLOCK_EXPORT GMainLoop *
g_main_loop_new (GMainContext *context, gboolean is_running)
{
  GMainLoop *loop = REAL (g_main_loop_new) (context, is_running);
  Alive *alive = vclock_is_on () ? malloc (sizeof *alive) : NULL;

  if (alive != NULL) {
    *alive = (Alive){ ~(uintptr_t) loop, 1, all_alive };
    all_alive = alive;
  }
  return loop;
}

/* Adds `change` references to `loop`; who has none left is not alive. */
static void
count_references (GMainLoop *loop, int change)
{
  for (Alive **link = &all_alive; *link != NULL; link = &(*link)->next) {
    Alive *alive = *link;

    if (alive->hidden != ~(uintptr_t) loop)
      continue;
    alive->n_references += change;
    if (alive->n_references == 0) {
      *link = alive->next;
      free (alive);
    }
    return;
  }
}

VCLOCK_EXPORT GMainLoop *
g_main_loop_ref (GMainLoop *loop)
{
  if (vclock_is_on ())
    count_references (loop, 1);
  return REAL (g_main_loop_ref) (loop);
}

VCLOCK_EXPORT void
g_main_loop_unref (GMainLoop *loop)
{
  if (vclock_is_on ())
    count_references (loop, -1);
  REAL (g_main_loop_unref) (loop);
}

static void __attribute__ ((destructor)) report_loops (void)
{
  int64_t n_alive = 0;

  if (!vclock_is_on ())
    return;
  for (Alive *alive = all_alive; alive != NULL; alive = alive->next)
    n_alive++;
  vclock_tell (REQUEST_LOOPS, NULL, n_alive);
}
