/* SPDX-License-Identifier: MIT
 *
 * The system calls that a student's program is refused, as a program for the kernel.
 *
 * A denylist: what a graded program, the compiler and the sanitizers need goes through;
 * what reaches for other processes, the kernel or the host gets EPERM.  It is the second
 * wall: namespaces are the first.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#define SECCOMP_FILTER_MAX 512

/**
 * SeccompFilter: a filter in the form that seccomp(2) and `bwrap --seccomp` take.
 *
 * @code    Instructions.
 * @length  How many.
 */
typedef struct {
  struct sock_filter code[SECCOMP_FILTER_MAX];
  size_t length;
} SeccompFilter;

/**
 * SeccompChoice: what differs between the runs.
 *
 * @ptrace  Let ptrace(2) through.  LeakSanitizer needs it; only with a PID namespace.
 * @shared  The program shares the host's network and IPC: refuse both.
 */
typedef struct {
  bool ptrace;
  bool shared;
} SeccompChoice;

/** Fill in @filter.  Aborts if the rules have outgrown SECCOMP_FILTER_MAX. */
void seccomp_filter_build (SeccompFilter *filter, SeccompChoice choice);
