//! The compiled program, run on a small model of the kernel's machine.

use super::*;

const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;
const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;

fn refused(errno: i32) -> u32 {
    libc::SECCOMP_RET_ERRNO | errno.cast_unsigned()
}

fn run(architecture: u32, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data = Vec::new();
    data.extend(number.to_le_bytes());
    data.extend(architecture.to_le_bytes());
    data.extend(0u64.to_le_bytes());
    arguments.iter().for_each(|argument| data.extend(argument.to_le_bytes()));
    let program = compile().unwrap().program;
    let (mut at, mut accumulator) = (0, 0);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let taken = match u32::from(code) {
            0x20 => {
                let start = k as usize;
                accumulator = u32::from_le_bytes(data[start..start + 4].try_into().unwrap());
                continue;
            }
            0x54 => {
                accumulator &= k;
                continue;
            }
            0x06 => return k,
            0x15 => accumulator == k,
            0x25 => accumulator > k,
            0x35 => accumulator >= k,
            0x45 => accumulator & k != 0,
            other => panic!("instruction {other:#x}"),
        };
        at += usize::from(if taken { jt } else { jf });
    }
}

use libc::sock_filter;

#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7;

fn call(number: libc::c_long, arguments: &[u64]) -> u32 {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    run(NATIVE, u32::try_from(number).unwrap(), all)
}

#[test]
fn other_architectures_are_killed() {
    assert_eq!(run(0x4000_0003, 4, [0; 6]), KILL, "i386");
    assert_eq!(run(NATIVE, 0x4000_0000, [0; 6]), KILL, "x32");
}

#[test]
fn ordinary_calls_pass() {
    for number in [libc::SYS_read, libc::SYS_openat, libc::SYS_futex, libc::SYS_execve, libc::SYS_mmap] {
        assert_eq!(call(number, &[]), ALLOW);
    }
}

#[test]
fn exactly_the_named_calls_pass_whatever_the_arguments() {
    let named: std::collections::HashSet<libc::c_long> = table::allowed().collect();
    let conditional: Vec<libc::c_long> = table::rules().iter().map(|rule| rule.number).collect();
    for number in (0..600).filter(|number| !conditional.contains(number)) {
        assert_eq!(call(number, &[u64::MAX; 6]) == ALLOW, named.contains(&number), "call {number}");
    }
}

#[test]
fn dangerous_calls_are_refused() {
    for number in [
        libc::SYS_ptrace,
        libc::SYS_mount,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_keyctl,
        libc::SYS_bpf,
        libc::SYS_io_uring_setup,
        libc::SYS_userfaultfd,
        libc::SYS_perf_event_open,
        libc::SYS_process_vm_readv,
        libc::SYS_open_by_handle_at,
        libc::SYS_setuid,
        libc::SYS_move_mount,
        libc::SYS_init_module,
        libc::SYS_kcmp,
        libc::SYS_pidfd_getfd,
        libc::SYS_chroot,
        libc::SYS_shmget,
        libc::SYS_vmsplice,
    ] {
        assert_eq!(call(number, &[]), refused(libc::EPERM), "call {number}");
    }
}

#[test]
fn unknown_and_uncheckable_calls_look_absent() {
    assert_eq!(call(libc::SYS_clone3, &[]), refused(libc::ENOSYS));
    assert_eq!(call(500, &[]), refused(libc::ENOSYS));
}

#[test]
fn clone_makes_processes_but_no_namespaces() {
    let thread = 0x003D_0F00;
    assert_eq!(call(libc::SYS_clone, &[thread]), ALLOW);
    assert_eq!(call(libc::SYS_clone, &[libc::SIGCHLD as u64]), ALLOW);
    for flag in [libc::CLONE_NEWUSER, libc::CLONE_NEWNS, libc::CLONE_NEWNET, libc::CLONE_NEWCGROUP] {
        assert_eq!(call(libc::SYS_clone, &[u64::from(flag.cast_unsigned()) | 17]), refused(libc::EPERM));
    }
}

#[test]
fn sockets_are_local_tcp_udp_or_route_netlink() {
    let cloexec = 0o2_000_000;
    let ok = [[1, 1, 0], [1, 5 | cloexec, 0], [2, 1 | cloexec, 6], [10, 2, 17], [2, 2, 0], [16, 3, 0]];
    for arguments in ok {
        assert_eq!(call(libc::SYS_socket, &arguments), ALLOW, "{arguments:?}");
    }
    let refusals =
        [[38, 5, 0], [40, 1, 0], [17, 3, 0], [2, 3, 1], [2, 2, 1], [16, 3, 12], [2, 1, 262], [15, 3, 2], [30, 1, 0]];
    for arguments in refusals {
        assert_eq!(call(libc::SYS_socket, &arguments), refused(libc::EPERM), "{arguments:?}");
    }
    // Only the low half counts for the kernel, so only the low half may count here.
    assert_eq!(call(libc::SYS_socket, &[38 | (2 << 32), 5, 0]), refused(libc::EPERM));
}

#[test]
fn arguments_of_the_rest_are_checked() {
    assert_eq!(call(libc::SYS_ioctl, &[0, 0x5401]), ALLOW);
    assert_eq!(call(libc::SYS_ioctl, &[0, 0x5412]), refused(libc::EPERM));
    assert_eq!(call(libc::SYS_personality, &[0xFFFF_FFFF]), ALLOW);
    assert_eq!(call(libc::SYS_personality, &[0x0040_0000]), refused(libc::EPERM));
    assert_eq!(call(libc::SYS_prctl, &[15]), ALLOW);
    assert_eq!(call(libc::SYS_prctl, &[0x5961_6d61]), refused(libc::EPERM));
    assert_eq!(call(libc::SYS_mknodat, &[0, 0, u64::from(libc::S_IFIFO | 0o600)]), ALLOW);
    assert_eq!(call(libc::SYS_mknodat, &[0, 0, u64::from(libc::S_IFBLK | 0o600)]), refused(libc::EPERM));
}
