//! What a function may not see, change or call.

use std::path::{Path, PathBuf};

use tindra_sandbox::Exit;

use crate::Test;
use crate::support::{Ground, Root, finish};

pub(crate) const TESTS: &[Test] = &[
    ("has_no_privileges", has_no_privileges),
    ("host_files_are_not_there", host_files_are_not_there),
    ("root_and_code_are_read_only", root_and_code_are_read_only),
    ("a_directory_made_anew_is_another_root", a_directory_made_anew_is_another_root),
    ("only_what_a_sandbox_needs_is_mounted", only_what_a_sandbox_needs_is_mounted),
    ("devices_are_few", devices_are_few),
    ("descriptors_are_its_own", descriptors_are_its_own),
    ("process_one_tells_nothing", process_one_tells_nothing),
    ("kernel_settings_are_closed", kernel_settings_are_closed),
    ("dangerous_calls_are_refused", dangerous_calls_are_refused),
    ("sockets_are_local_or_tcp_or_udp", sockets_are_local_or_tcp_or_udp),
    ("other_architectures_kill", other_architectures_kill),
    ("landlock_stands_alone", landlock_stands_alone),
];

fn has_no_privileges(ground: &Ground) {
    let status = ground.output("print(open('/proc/self/status').read())");
    for line in [
        "Uid:\t993\t993\t993\t993",
        "Gid:\t993\t993\t993\t993",
        "Groups:\t \n",
        "CapInh:\t0000000000000000",
        "CapPrm:\t0000000000000000",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "CapAmb:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
        "SigBlk:\t0000000000000000",
    ] {
        assert!(status.contains(line), "{line:?} is not in\n{status}");
    }
    let maps = ground.output("print(open('/proc/self/uid_map').read(), open('/proc/self/gid_map').read())");
    for line in maps.lines().filter(|line| !line.trim().is_empty()) {
        let host: u32 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        assert!(host >= 1_000_000, "a low host id is mapped: {line}");
    }
}

fn host_files_are_not_there(ground: &Ground) {
    let state = ground.state.path().display();
    let script = format!(
        "import os\n\
         for path in ['/etc/shadow', '/root/.bashrc', '/home', '/sys', '/run', '/boot', '/mnt', '{state}']:\n\
         \x20 assert not os.path.lexists(path), path\n\
         for link in ['/proc/1/root', '/proc/1/cwd', '/proc/1/ns/mnt']:\n\
         \x20 try: os.stat(link)\n\
         \x20 except OSError: continue\n\
         \x20 raise SystemExit(link)\n\
         assert '{state}' not in open('/proc/self/mountinfo').read()\n\
         import socket; assert socket.gethostname() == 'localhost'"
    );
    ground.output(&script);
}

fn root_and_code_are_read_only(ground: &Ground) {
    ground.output(
        "import os, errno\n\
         for path in ['/x', '/etc/x', '/var/task/x', '/opt/x', '/usr/x', '/dev/x', '/lib/x']:\n\
         \x20 try: open(path, 'w')\n\
         \x20 except OSError as error: assert error.errno in (errno.EROFS, errno.EACCES), (path, error)\n\
         \x20 else: raise SystemExit(path)\n\
         open('/tmp/x', 'w').write('fine'); open('/dev/shm/x', 'w').write('fine')",
    );
}

/// A runtime pack that was removed and installed again has the path of the old one.
fn a_directory_made_anew_is_another_root(ground: &Ground) {
    let root = Root::new();
    let listed = |root: &Root| finish(ground.start(&root.python("import os; print(os.listdir('/opt'))"))).output;
    assert_eq!(listed(&root), "[]\n");
    let root = root.make_anew();
    std::fs::create_dir(root.path().join("opt/new")).unwrap();
    assert_eq!(listed(&root), "['new']\n");
}

fn only_what_a_sandbox_needs_is_mounted(ground: &Ground) {
    let mounted = ground.output("for line in open('/proc/self/mountinfo'): print(line.split()[4])");
    let mut places: Vec<&str> = mounted.lines().filter(|place| !place.starts_with("/proc/")).collect();
    let code: Vec<PathBuf> = ground.root.python("").mounts.into_iter().map(|mount| mount.target).collect();
    places.retain(|place| !code.iter().any(|code| code == Path::new(place)));
    places.sort_unstable();
    // Below a sandbox's own /tmp lies the empty one of its root.
    assert_eq!(places, ["/", "/dev", "/dev/shm", "/proc", "/tmp", "/tmp"]);
}

fn devices_are_few(ground: &Ground) {
    let listed = ground.output(
        "import os; print(sorted(os.listdir('/dev')))\n\
         open('/dev/null', 'w').write('x'); assert open('/dev/zero', 'rb').read(2) == b'\\0\\0'\n\
         assert len(open('/dev/urandom', 'rb').read(8)) == 8\n\
         open('/dev/stdout', 'w').write('by name\\n')",
    );
    assert!(listed.contains("['fd', 'full', 'null', 'random', 'shm', 'stderr', 'stdin', 'stdout', 'urandom', 'zero']"));
    assert!(listed.contains("by name"), "{listed}");
}

fn descriptors_are_its_own(ground: &Ground) {
    // 0 to 2, the log pipe, and the directory being listed.
    let listed = ground.output("import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))");
    assert_eq!(listed.trim(), "[0, 1, 2, 3, 4]");
    let environment = ground.output("import os; print(dict(os.environ))");
    assert!(environment.contains("SECRET") && !environment.contains("HOME"), "{environment}");
}

fn process_one_tells_nothing(ground: &Ground) {
    ground.output(
        "import os\n\
         for name in ['environ', 'maps', 'mem', 'auxv', 'stack', 'fd']:\n\
         \x20 path = '/proc/1/' + name\n\
         \x20 try: os.listdir(path) if name == 'fd' else open(path).read()\n\
         \x20 except OSError: continue\n\
         \x20 raise SystemExit(path)",
    );
}

fn kernel_settings_are_closed(ground: &Ground) {
    ground.output(
        "import os\n\
         for path in ['sys/kernel/core_pattern', 'sys/kernel/modprobe', 'sys/vm/drop_caches', 'sysrq-trigger', 'kallsyms',\n\
         \x20            'self/uid_map', 'self/setgroups']:\n\
         \x20 path = '/proc/' + path\n\
         \x20 if os.path.exists(path) and os.stat(path).st_rdev == os.makedev(1, 3): continue\n\
         \x20 try: open(path, 'wb', 0).write(b'0')\n\
         \x20 except OSError: continue\n\
         \x20 assert False, path\n\
         for path in ['kallsyms', 'keys', 'timer_list', 'config.gz', 'kmsg']:\n\
         \x20 path = '/proc/' + path\n\
         \x20 if os.path.exists(path):\n\
         \x20  try: assert open(path, 'rb').read() == b'', path\n\
         \x20  except OSError: pass",
    );
}

/// Calls through the C library's `syscall`; prints those that were not refused.
const CALL: &str = "\
import ctypes, errno, os, platform
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(number, *[ctypes.c_long(argument) for argument in arguments])
    return ctypes.get_errno() if result < 0 else 0
";

fn dangerous_calls_are_refused(ground: &Ground) {
    let numbers: Vec<(&str, i64)> = vec![
        ("mount", libc::SYS_mount),
        ("umount2", libc::SYS_umount2),
        ("unshare", libc::SYS_unshare),
        ("setns", libc::SYS_setns),
        ("ptrace", libc::SYS_ptrace),
        ("keyctl", libc::SYS_keyctl),
        ("add_key", libc::SYS_add_key),
        ("io_uring_setup", libc::SYS_io_uring_setup),
        ("bpf", libc::SYS_bpf),
        ("userfaultfd", libc::SYS_userfaultfd),
        ("perf_event_open", libc::SYS_perf_event_open),
        ("process_vm_readv", libc::SYS_process_vm_readv),
        ("process_vm_writev", libc::SYS_process_vm_writev),
        ("pidfd_getfd", libc::SYS_pidfd_getfd),
        ("kcmp", libc::SYS_kcmp),
        ("fsopen", libc::SYS_fsopen),
        ("move_mount", libc::SYS_move_mount),
        ("open_tree", libc::SYS_open_tree),
        ("pivot_root", libc::SYS_pivot_root),
        ("chroot", libc::SYS_chroot),
        ("open_by_handle_at", libc::SYS_open_by_handle_at),
        ("name_to_handle_at", libc::SYS_name_to_handle_at),
        ("init_module", libc::SYS_init_module),
        ("kexec_load", libc::SYS_kexec_load),
        ("reboot", libc::SYS_reboot),
        ("swapon", libc::SYS_swapon),
        ("acct", libc::SYS_acct),
        ("quotactl", libc::SYS_quotactl),
        ("syslog", libc::SYS_syslog),
        ("settimeofday", libc::SYS_settimeofday),
        ("shmget", libc::SYS_shmget),
        ("vmsplice", libc::SYS_vmsplice),
        ("fanotify_init", libc::SYS_fanotify_init),
        ("setuid", libc::SYS_setuid),
        ("memfd_secret", libc::SYS_memfd_secret),
    ];
    let listed: Vec<String> = numbers.iter().map(|(name, number)| format!("'{name}': {number}")).collect();
    let script = format!(
        "{CALL}\nopen_calls = {{name: call(number, 0, 0, 0, 0, 0) for name, number in {{{}}}.items()}}\n\
         print({{name: code for name, code in open_calls.items() if code != errno.EPERM}})\n\
         assert call({}, 0, 0) == errno.ENOSYS and call(1000) == errno.ENOSYS\n\
         assert call({}, 0x10000011, 0, 0, 0, 0) == errno.EPERM",
        listed.join(", "),
        libc::SYS_clone3,
        libc::SYS_clone,
    );
    assert_eq!(ground.output(&script).trim(), "{}");
}

fn sockets_are_local_or_tcp_or_udp(ground: &Ground) {
    ground.output(
        "import socket, errno\n\
         socket.socketpair(); socket.socket(socket.AF_INET6, socket.SOCK_STREAM); socket.if_nameindex()\n\
         for arguments in [(38, 5, 0), (40, 1, 0), (17, 3, 0), (2, 3, 1), (2, 2, 1), (16, 3, 12), (2, 1, 262), (15, 3, 2), (44, 3, 0)]:\n\
         \x20 try: socket.socket(*arguments)\n\
         \x20 except PermissionError: continue\n\
         \x20 raise SystemExit(str(arguments))",
    );
}

fn other_architectures_kill(ground: &Ground) {
    if !cfg!(target_arch = "x86_64") {
        return;
    }
    // mov eax, 20 (getpid for i386); int 0x80; ret
    let outcome = ground.run(
        "import ctypes, mmap\n\
         code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)\n\
         code.write(b'\\xb8\\x14\\0\\0\\0\\xcd\\x80\\xc3')\n\
         ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()",
    );
    assert_eq!(outcome.exit, Exit::Signal(libc::SIGSYS), "{}", outcome.output);
}

/// Process 1 and everything outside are out of reach of signals; the mounts alone would not stop an execution
/// from /dev/shm's neighbours, nor Landlock a read: each says no on its own where it can be asked alone.
fn landlock_stands_alone(ground: &Ground) {
    let abi = ground.launcher.layers().iter().find(|layer| layer.name == "landlock").unwrap();
    if !abi.holds {
        return;
    }
    // /proc/self/comm may be written by mount and owner; another file system object there may not be made.
    ground.output(
        "open('/proc/self/comm', 'w').write('renamed'); assert open('/proc/self/comm').read() == 'renamed\\n'\n\
         import os\n\
         try: os.symlink('/x', '/dev/null2')\n\
         except OSError: pass\n\
         else: raise SystemExit('made a link in /dev')",
    );
}
