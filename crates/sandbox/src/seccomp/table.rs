//! Which system calls a function may make.
//!
//! Judged call by call: what CPython, Node, the JVM, Go and Rust programs need is in; what manages the machine,
//! looks into other processes, or has mostly served attacks on kernels is out, even where no capability would be
//! there to use it. Kept out on purpose and easy to miss: io_uring, keyctl and its family, userfaultfd, bpf,
//! perf_event_open, ptrace, process_vm_*, pidfd_getfd, name_to_handle_at and open_by_handle_at, the mount family
//! with statmount and listmount, setns, unshare, memfd_secret, vmsplice, kcmp, fanotify, System V IPC, POSIX
//! message queues, set*id, Linux AIO, modify_ldt, cachestat (it tells what other functions read).

use libc::c_long;

use super::program::{Check, Rule};

/// The highest number judged here (`file_setattr`); what comes later answers ENOSYS.
pub(super) const NEWEST_JUDGED: u32 = 469;

/// Every namespace flag of `clone`.
const CLONE_NAMESPACES: u32 = 0x7E02_0000;
const SOCK_TYPE_MASK: u32 = 0xF;
const STREAM: u32 = 1;
const DATAGRAM: u32 = 2;
const SEQPACKET: u32 = 5;
const UNIX: u32 = 1;
const INET: u32 = 2;
const NETLINK: u32 = 16;
const INET6: u32 = 10;
const TCP: u32 = 6;
const UDP: u32 = 17;
const ALL_BITS: u32 = u32::MAX;

/// Sockets: local ones, TCP and UDP, and route netlink (for `getifaddrs`). Not AF_ALG, AF_VSOCK, AF_PACKET, raw
/// sockets, other netlink families, or other transports such as MPTCP and SCTP.
const SOCKETS: &[&[Check]] = &[
    &[
        Check::OneOf { argument: 0, mask: ALL_BITS, values: &[INET, INET6] },
        Check::OneOf { argument: 1, mask: SOCK_TYPE_MASK, values: &[STREAM, DATAGRAM] },
        Check::OneOf { argument: 2, mask: ALL_BITS, values: &[0, TCP, UDP] },
    ],
    &[
        Check::OneOf { argument: 0, mask: ALL_BITS, values: &[UNIX] },
        Check::OneOf { argument: 1, mask: SOCK_TYPE_MASK, values: &[STREAM, DATAGRAM, SEQPACKET] },
    ],
    &[
        Check::OneOf { argument: 0, mask: ALL_BITS, values: &[NETLINK] },
        Check::OneOf { argument: 2, mask: ALL_BITS, values: &[0] },
    ],
];
const SOCKET_PAIRS: &[&[Check]] = &[&[Check::OneOf { argument: 0, mask: ALL_BITS, values: &[UNIX] }]];
/// Processes and threads, but no namespaces.
const CLONES: &[&[Check]] = &[&[Check::Clear { argument: 0, mask: CLONE_NAMESPACES }]];
/// The default personality, 32-bit uname, and both with 2.6 version numbers; and the question (all ones).
const PERSONALITIES: &[&[Check]] =
    &[&[Check::OneOf { argument: 0, mask: ALL_BITS, values: &[0, 8, 0x2_0000, 0x2_0008, ALL_BITS] }]];
/// Not TIOCSTI, TIOCLINUX (typing into a terminal) or TIOCSETD (line disciplines).
const DEVICE_CONTROLS: &[&[Check]] = &[&[Check::NoneOf { argument: 1, values: &[0x5412, 0x541C, 0x5423] }]];
/// Not PR_SET_MM, PR_SET_SYSCALL_USER_DISPATCH, PR_SCHED_CORE or PR_SET_PTRACER.
const PROCESS_CONTROLS: &[&[Check]] = &[&[Check::NoneOf { argument: 0, values: &[35, 59, 62, 0x5961_6d61] }]];
/// Plain files, fifos and sockets, but no devices.
const FILE_KINDS: &[u32] = &[0, libc::S_IFREG, libc::S_IFIFO, libc::S_IFSOCK];
const NODES_AT: &[&[Check]] = &[&[Check::OneOf { argument: 2, mask: libc::S_IFMT, values: FILE_KINDS }]];
#[cfg(target_arch = "x86_64")]
const NODES: &[&[Check]] = &[&[Check::OneOf { argument: 1, mask: libc::S_IFMT, values: FILE_KINDS }]];

fn rule(number: c_long, alternatives: &'static [&'static [Check]]) -> Rule {
    Rule { number, alternatives, errno: libc::EPERM }
}

/// Calls allowed under conditions.
pub(super) fn rules() -> Vec<Rule> {
    vec![
        rule(libc::SYS_socket, SOCKETS),
        rule(libc::SYS_socketpair, SOCKET_PAIRS),
        rule(libc::SYS_clone, CLONES),
        // Its flags are in memory, where a filter cannot look; libraries fall back to clone.
        Rule { number: libc::SYS_clone3, alternatives: &[], errno: libc::ENOSYS },
        rule(libc::SYS_personality, PERSONALITIES),
        rule(libc::SYS_ioctl, DEVICE_CONTROLS),
        rule(libc::SYS_prctl, PROCESS_CONTROLS),
        rule(libc::SYS_mknodat, NODES_AT),
        #[cfg(target_arch = "x86_64")]
        rule(libc::SYS_mknod, NODES),
    ]
}

/// Calls allowed with any arguments.
pub(super) fn allowed() -> impl Iterator<Item = c_long> {
    [MEMORY, FILES, PROCESSES, TIME, SIGNALS, NETWORK, EVENTS, IDENTITY, HARDENING, NEWER]
        .into_iter()
        .flatten()
        .copied()
        .chain(legacy())
}

const MEMORY: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mlockall,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_msync,
    libc::SYS_munlock,
    libc::SYS_munlockall,
    libc::SYS_munmap,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    libc::SYS_remap_file_pages,
    libc::SYS_memfd_create,
    libc::SYS_membarrier,
];

const FILES: &[c_long] = &[
    libc::SYS_chdir,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchdir,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_flock,
    libc::SYS_fremovexattr,
    libc::SYS_fsetxattr,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_getxattr,
    libc::SYS_lgetxattr,
    libc::SYS_linkat,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_lremovexattr,
    libc::SYS_lseek,
    libc::SYS_lsetxattr,
    libc::SYS_mkdirat,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_pipe2,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_read,
    libc::SYS_readahead,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_removexattr,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_sendfile,
    libc::SYS_setxattr,
    libc::SYS_splice,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_symlinkat,
    libc::SYS_sync,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_tee,
    libc::SYS_truncate,
    libc::SYS_umask,
    libc::SYS_unlinkat,
    libc::SYS_utimensat,
    libc::SYS_write,
    libc::SYS_writev,
];

const PROCESSES: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getpgid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getrandom,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
    libc::SYS_getsid,
    libc::SYS_gettid,
    libc::SYS_ioprio_get,
    libc::SYS_ioprio_set,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_prlimit64,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getattr,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setpgid,
    libc::SYS_setpriority,
    libc::SYS_setrlimit,
    libc::SYS_setsid,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_wait4,
    libc::SYS_waitid,
];

const TIME: &[c_long] = &[
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_getitimer,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_setitimer,
    libc::SYS_timer_create,
    libc::SYS_timer_delete,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_gettime,
    libc::SYS_timer_settime,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
    libc::SYS_times,
];

const SIGNALS: &[c_long] = &[
    libc::SYS_kill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd4,
    libc::SYS_tgkill,
    libc::SYS_tkill,
];

const NETWORK: &[c_long] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_listen,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_setsockopt,
    libc::SYS_shutdown,
];

const EVENTS: &[c_long] = &[
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_rm_watch,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
];

const IDENTITY: &[c_long] = &[
    libc::SYS_capget,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getresgid,
    libc::SYS_getresuid,
    libc::SYS_getuid,
];

/// A program may confine itself further.
const HARDENING: &[c_long] = &[
    libc::SYS_capset,
    libc::SYS_landlock_add_rule,
    libc::SYS_landlock_create_ruleset,
    libc::SYS_landlock_restrict_self,
    libc::SYS_seccomp,
];

/// Numbers that are the same on every architecture: futex_waitv, fchmodat2, futex_wake, futex_wait,
/// futex_requeue, mseal.
const NEWER: &[c_long] = &[449, 452, 454, 455, 456, 462];

/// Calls that only the oldest architecture has.
#[cfg(target_arch = "x86_64")]
fn legacy() -> impl Iterator<Item = c_long> {
    [
        libc::SYS_access,
        libc::SYS_alarm,
        libc::SYS_arch_prctl,
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_creat,
        libc::SYS_dup2,
        libc::SYS_epoll_create,
        libc::SYS_epoll_wait,
        libc::SYS_eventfd,
        libc::SYS_fork,
        libc::SYS_futimesat,
        libc::SYS_getdents,
        libc::SYS_getpgrp,
        libc::SYS_inotify_init,
        libc::SYS_lchown,
        libc::SYS_link,
        libc::SYS_lstat,
        libc::SYS_mkdir,
        libc::SYS_open,
        libc::SYS_pause,
        libc::SYS_pipe,
        libc::SYS_poll,
        libc::SYS_readlink,
        libc::SYS_rename,
        libc::SYS_rmdir,
        libc::SYS_select,
        libc::SYS_signalfd,
        libc::SYS_stat,
        libc::SYS_symlink,
        libc::SYS_time,
        libc::SYS_unlink,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_vfork,
    ]
    .into_iter()
}

#[cfg(not(target_arch = "x86_64"))]
fn legacy() -> impl Iterator<Item = c_long> {
    std::iter::empty()
}
