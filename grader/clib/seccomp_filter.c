/* SPDX-License-Identifier: MIT
 *
 * Builds the seccomp denylist (see seccomp_filter.h), one `if` after the other.
 *
 * Every rule is "if the number is this: refuse".  So jumps never leave their rule, and
 * the list can be read.  Numbers that an architecture does not have are left out by
 * #ifdef.
 */
#define _GNU_SOURCE
#include "seccomp_filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <termios.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#else
#error "the sandbox knows x86-64 and AArch64 only"
#endif

#define X32_BIT                                                                          \
  0x40000000 /* system calls of the x32 ABI: the same doors, other numbers */
#define NAMESPACE_FLAGS                                                                  \
  (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |         \
   CLONE_NEWPID | CLONE_NEWNET)
#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

/* Whatever else is allowed, never these. */
static const int refused[] = {
  /* Other processes. */
  SYS_process_vm_readv,
  SYS_process_vm_writev,
  SYS_kcmp,
  SYS_pidfd_getfd,
  SYS_process_madvise,
  SYS_migrate_pages,
  SYS_move_pages,
  /* Namespaces and mounts. */
  SYS_unshare,
  SYS_setns,
  SYS_mount,
  SYS_umount2,
  SYS_pivot_root,
  SYS_chroot,
  SYS_open_tree,
  SYS_move_mount,
  SYS_fsopen,
  SYS_fsconfig,
  SYS_fsmount,
  SYS_fspick,
  SYS_mount_setattr,
  SYS_open_by_handle_at,
  SYS_name_to_handle_at,
  SYS_quotactl,
  SYS_quotactl_fd,
  SYS_fanotify_init,
  /* The kernel, and its large attack surfaces. */
  SYS_bpf,
  SYS_perf_event_open,
  SYS_userfaultfd,
  SYS_io_uring_setup,
  SYS_io_uring_enter,
  SYS_io_uring_register,
  SYS_init_module,
  SYS_finit_module,
  SYS_delete_module,
  SYS_kexec_load,
  SYS_kexec_file_load,
  SYS_syslog,
  SYS_vhangup,
  /* Keys outlive the process. */
  SYS_add_key,
  SYS_request_key,
  SYS_keyctl,
  /* The host. */
  SYS_reboot,
  SYS_swapon,
  SYS_swapoff,
  SYS_acct,
  SYS_sethostname,
  SYS_setdomainname,
  SYS_settimeofday,
  SYS_clock_settime,
  SYS_clock_adjtime,
  SYS_adjtimex,
  SYS_nfsservctl,
#ifdef SYS_iopl
  SYS_iopl,
  SYS_ioperm,
  SYS_modify_ldt,
#endif
#ifdef SYS_uselib
  SYS_uselib,
  SYS_ustat,
  SYS_sysfs,
#endif
};

/* What would stay behind, or reach out, where there are no namespaces. */
static const int refused_when_shared[] = {
  SYS_shmget,
  SYS_semget,
  SYS_msgget,
  SYS_mq_open,
};

static void
emit (SeccompFilter *filter, uint16_t code, uint8_t if_true, uint8_t if_false,
      uint32_t value)
{
  if (filter->length == SECCOMP_FILTER_MAX)
    abort ();
  filter->code[filter->length++] = (struct sock_filter){ code, if_true, if_false, value };
}

static void
load (SeccompFilter *filter, size_t offset)
{
  emit (filter, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t) offset);
}

/* The low 32 bits of an argument: the kernel itself ignores the others of an ioctl. */
static void
load_argument (SeccompFilter *filter, unsigned index)
{
  load (filter, offsetof (struct seccomp_data, args) + 8 * index);
}

static void
answer (SeccompFilter *filter, uint32_t action)
{
  emit (filter, BPF_RET | BPF_K, 0, 0, action);
}

static void
refuse (SeccompFilter *filter, int number, int error)
{
  emit (filter, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t) number);
  answer (filter, SECCOMP_RET_ERRNO | (uint32_t) error);
}

static void
load_number (SeccompFilter *filter)
{
  load (filter, offsetof (struct seccomp_data, nr));
}

/* Refuse @number when its argument @index is one of @values. */
static void
refuse_values (SeccompFilter *filter, int number, unsigned index, const uint32_t *values,
               uint8_t n_values)
{
  emit (filter, BPF_JMP | BPF_JEQ | BPF_K, 0, n_values + 3, (uint32_t) number);
  load_argument (filter, index);
  for (uint8_t i = 0; i < n_values; i++)
    emit (filter, BPF_JMP | BPF_JEQ | BPF_K, n_values - i, 0, values[i]);
  emit (filter, BPF_JMP | BPF_JA, 0, 0, 1);
  answer (filter, SECCOMP_RET_ERRNO | EPERM);
  load_number (filter); /* for the rules that follow */
}

/* Refuse @number unless its argument @index is one of @values. */
static void
allow_values (SeccompFilter *filter, int number, unsigned index, const uint32_t *values,
              uint8_t n_values)
{
  emit (filter, BPF_JMP | BPF_JEQ | BPF_K, 0, n_values + 2, (uint32_t) number);
  load_argument (filter, index);
  for (uint8_t i = 0; i < n_values; i++)
    emit (filter, BPF_JMP | BPF_JEQ | BPF_K, n_values - i, 0, values[i]);
  answer (filter, SECCOMP_RET_ERRNO | EPERM);
  load_number (filter);
}

static void
check_architecture (SeccompFilter *filter)
{
  load (filter, offsetof (struct seccomp_data, arch));
  emit (filter, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, NATIVE_ARCH);
  answer (filter, SECCOMP_RET_KILL_PROCESS);
  load_number (filter);
#ifdef __x86_64__
  emit (filter, BPF_JMP | BPF_JSET | BPF_K, 0, 1, X32_BIT);
  answer (filter, SECCOMP_RET_KILL_PROCESS);
#endif
}

static void
check_clone (SeccompFilter *filter)
{
  /* The flags of clone3() lie in memory that a filter cannot read: glibc falls back. */
  refuse (filter, SYS_clone3, ENOSYS);
  emit (filter, BPF_JMP | BPF_JEQ | BPF_K, 0, 4, SYS_clone);
  load_argument (filter, 0);
  emit (filter, BPF_JMP | BPF_JSET | BPF_K, 0, 1, NAMESPACE_FLAGS);
  answer (filter, SECCOMP_RET_ERRNO | EPERM);
  load_number (filter);
}

/* A stopped process is neither dead nor waiting: it would hold up the grade to its limit.
 */
static void
check_stops (SeccompFilter *filter)
{
  static const uint32_t stops[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };

  refuse_values (filter, SYS_kill, 1, stops, 4);
  refuse_values (filter, SYS_tkill, 1, stops, 4);
  refuse_values (filter, SYS_tgkill, 2, stops, 4);
  refuse_values (filter, SYS_rt_sigqueueinfo, 1, stops, 4);
  refuse_values (filter, SYS_rt_tgsigqueueinfo, 2, stops, 4);
  refuse_values (filter, SYS_pidfd_send_signal, 1, stops, 4);
}

static void
check_arguments (SeccompFilter *filter, bool shared)
{
  static const uint32_t first_process[] = { 1 };
  static const uint32_t keystrokes[] = { TIOCSTI, TIOCLINUX };
  static const uint32_t everybody[] = { UINT32_MAX };
  static const uint32_t personalities[] = { PER_LINUX, ADDR_NO_RANDOMIZE, UINT32_MAX };
  static const uint32_t families[] = { AF_UNIX, AF_INET, AF_INET6 };

  refuse_values (filter, SYS_ptrace, 1, first_process, 1); /* it would end with the box */
  refuse_values (filter, SYS_ioctl, 1, keystrokes, 2);
  refuse_values (filter, SYS_kill, 0, everybody, 1);
  allow_values (filter, SYS_personality, 0, personalities, 3);
  allow_values (filter, SYS_socket, 0, families, shared ? 1 : 3);
}

void
seccomp_filter_build (SeccompFilter *filter, SeccompChoice choice)
{
  filter->length = 0;
  check_architecture (filter);
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
    refuse (filter, refused[i], EPERM);
  if (!choice.ptrace)
    refuse (filter, SYS_ptrace, EPERM);
  for (size_t i = 0;
       choice.shared && i < sizeof refused_when_shared / sizeof *refused_when_shared; i++)
    refuse (filter, refused_when_shared[i], EPERM);
  check_clone (filter);
  check_stops (filter);
  check_arguments (filter, choice.shared);
  answer (filter, SECCOMP_RET_ALLOW);
}
