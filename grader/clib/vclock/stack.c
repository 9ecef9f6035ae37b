/* SPDX-License-Identifier: MIT
 *
 * Who waits: the call stack, as return addresses in the program's executable, and whether
 * a main loop stands between them.
 *
 * The wrappers of g_main_loop_run() and g_main_context_iteration() (loops.c) are in this
 * library, so that their frames mark on the stack where a main loop begins.
 */
#include "vclock.h"

#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#define MAX_FRAMES 64

typedef struct {
  uintptr_t base, start, end;
} Range;

typedef struct {
  Request *request;
  unsigned n_frames;
  bool left_library; /* the wrapper of the call itself is behind us */
  bool loop_first;   /* a main loop is nearer than the first frame of the executable */
  uintptr_t callee;  /* what the executable called, if that is not one of our wrappers */
} Walk;

static Range executable, library, sanitizer;

static int
find_range (struct dl_phdr_info *info, size_t size, void *data)
{
  static bool first = true;
  Range range = { info->dlpi_addr, UINTPTR_MAX, 0 };
  uintptr_t own = (uintptr_t) find_range;

  (void) size;
  (void) data;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;

    if (info->dlpi_phdr[i].p_type != PT_LOAD)
      continue;
    range.start = start < range.start ? start : range.start;
    if (start + info->dlpi_phdr[i].p_memsz > range.end)
      range.end = start + info->dlpi_phdr[i].p_memsz;
  }
  if (first)
    executable = range;
  first = false;
  if (strstr (info->dlpi_name, "libasan.so") || strstr (info->dlpi_name, "liblsan.so"))
    sanitizer = range;
  if (own >= range.start && own < range.end)
    library = range;
  return 0;
}

void
vclock_stack_init (void)
{
  dl_iterate_phdr (find_range, NULL);
}

static bool
contains (const Range *range, uintptr_t address)
{
  return address >= range->start && address < range->end;
}

/* LeakSanitizer spins while its helper looks through the memory: that is not the program.
 */
bool
vclock_is_sanitizer (const void *address)
{
  return contains (&sanitizer, (uintptr_t) address);
}

static _Unwind_Reason_Code
take_frame (struct _Unwind_Context *context, void *data)
{
  Walk *walk = data;
  Request *request = walk->request;
  uintptr_t address = _Unwind_GetIP (context);

  if (address == 0 || ++walk->n_frames > MAX_FRAMES)
    return _URC_END_OF_STACK;
  if (contains (&library, address)) {
    if (walk->left_library && request->n_sites == 0 && vclock_loop_depth > 0)
      walk->loop_first = true;
    return _URC_NO_REASON;
  }
  walk->left_library = true;
  if (contains (&executable, address)) {
    if (request->n_sites < MAX_SITES)
      request->sites[request->n_sites++] = address - executable.base;
  } else if (request->n_sites == 0 && !walk->loop_first) {
    walk->callee = address;
  }
  return request->n_sites == MAX_SITES ? _URC_END_OF_STACK : _URC_NO_REASON;
}

/* The name of the library function that the executable called: looking a name up is slow,
 * and a program calls the same few functions again and again. */
static const char *
name_of (uintptr_t address)
{
  static __thread uintptr_t last;
  static __thread const char *last_name;
  Dl_info info;

  if (address != last) {
    last = address;
    last_name = dladdr ((void *) (address - 1), &info) != 0 ? info.dli_sname : NULL;
  }
  return last_name;
}

/* Fills in `call`, the sites and the flags of `request`. */
void
vclock_describe_caller (Request *request, const char *call)
{
  Walk walk = { .request = request };
  const char *name = NULL;

  _Unwind_Backtrace (take_frame, &walk);
  if (vclock_loop_depth > 0 && request->n_sites > 0)
    request->flags |= walk.loop_first ? FLAG_BY_LOOP : FLAG_IN_DISPATCH;
  if (!walk.loop_first && request->n_sites > 0 && walk.callee != 0)
    name = name_of (walk.callee);
  if (name != NULL && strncmp (name, "__interceptor_", 14) == 0)
    name += 14;
  snprintf (request->call, sizeof request->call, "%s", name != NULL ? name : call);
}
