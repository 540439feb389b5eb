//! System calls that no safe library offers, each wrapped once.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use rustix::fs::{Mode, OFlags};
use rustix::mount::MountPropagationFlags;
use rustix::thread::UnshareFlags;

/// Turns a libc result into one that carries the error.
fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Leaves shared namespaces for new ones of the given kinds.
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: unshare is unsafe only for FILES, which detaches the descriptor table from other threads; every
    // caller is a single-threaded helper process, and none passes FILES.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// Opens one of this process's own namespaces, for example `net` or `user`.
pub(crate) fn own_namespace(kind: &str) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/ns/{kind}");
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Which side of a fork this is.
#[derive(Debug)]
pub(crate) enum Fork {
    Child,
    /// The child's process identifier as the parent sees it.
    Parent(i32),
}

/// Forks the calling process.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: called only in single-threaded processes (the launcher, its helpers and its children), so no lock
    // can be held by a thread that does not exist in the child.
    match check(libc::c_long::from(unsafe { libc::fork() }))? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent(i32::try_from(pid).unwrap_or(-1))),
    }
}

/// `struct clone_args` of the kernel, up to the member that kernel 5.7 added.
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// The parent's side of [`clone_into`].
#[derive(Debug)]
pub(crate) struct Cloned {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

/// Forks a process into the namespaces of `flags` and, on v2, straight into a control group. `None` in the child.
pub(crate) fn clone_into(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Option<Cloned>> {
    const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;
    let mut pidfd: RawFd = -1;
    let flags = u64::from((flags | libc::CLONE_PIDFD).cast_unsigned());
    let arguments = CloneArguments {
        flags: if cgroup.is_some() { flags | CLONE_INTO_CGROUP } else { flags },
        pidfd: ptr::from_mut(&mut pidfd) as u64,
        exit_signal: libc::SIGCHLD as u64,
        cgroup: cgroup.map_or(0, |cgroup| u64::from(cgroup.as_raw_fd().cast_unsigned())),
        ..CloneArguments::default()
    };
    // SAFETY: the arguments are a valid clone_args of the size given and live across the call; without CLONE_VM
    // and with no stack the call acts as fork, and the launcher is single-threaded.
    let result = unsafe { libc::syscall(libc::SYS_clone3, ptr::from_ref(&arguments), size_of::<CloneArguments>()) };
    match check(result)? {
        0 => Ok(None),
        pid => {
            // SAFETY: on success in the parent the kernel stored a new descriptor there, owned by nobody else.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Some(Cloned { pid: i32::try_from(pid).unwrap_or(-1), pidfd }))
        }
    }
}

/// Ends the process without running destructors or exit handlers: those belong to the process that was forked.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: _exit has no preconditions.
    unsafe { libc::_exit(code) }
}

/// A child that was waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waited {
    pub(crate) pid: i32,
    pub(crate) status: i32,
}

/// Waits for any child; `None` when `block` is false and none has ended.
pub(crate) fn wait_any(block: bool) -> io::Result<Option<Waited>> {
    let mut status = 0;
    let options = if block { 0 } else { libc::WNOHANG };
    loop {
        // SAFETY: status is a valid place for an int.
        match check(libc::c_long::from(unsafe { libc::waitpid(-1, &raw mut status, options) })) {
            Ok(0) => return Ok(None),
            Ok(pid) => return Ok(Some(Waited { pid: i32::try_from(pid).unwrap_or(-1), status })),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Sets read-only, nosuid and nodev on a whole mount tree that `tree` names.
pub(crate) fn restrict_mounts(tree: BorrowedFd<'_>, attributes: u64) -> io::Result<()> {
    let change = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: an empty path with AT_EMPTY_PATH names the descriptor itself; the structure is of the size given
    // and lives across the call.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | libc::AT_RECURSIVE,
            ptr::from_ref(&change),
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Stops mounts made here from appearing elsewhere, while the host's later mounts still appear here.
pub(crate) fn make_mounts_private() -> io::Result<()> {
    Ok(rustix::mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?)
}

/// Lets a listener accept for addresses that are not the machine's own.
pub(crate) fn set_ip_transparent(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the value is a c_int of the size given and lives across the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_IP,
            libc::IP_TRANSPARENT,
            ptr::from_ref(&on).cast(),
            libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4),
        )
    };
    check(libc::c_long::from(result)).map(|_| ())
}

/// Closes every descriptor from `first` to `last`, or marks them to be closed at exec.
pub(crate) fn close_range(first: u32, last: u32, at_exec: bool) -> io::Result<()> {
    if first > last {
        return Ok(());
    }
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    let flags = if at_exec { CLOSE_RANGE_CLOEXEC } else { 0 };
    // SAFETY: close_range has no memory preconditions. That the closed descriptors are not used again is argued
    // by the callers: each is a process that exits or executes without touching them.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, flags) })?;
    Ok(())
}

/// Moves a descriptor to a number of at least `minimum`.
pub(crate) fn duplicate_above(descriptor: RawFd, minimum: RawFd) -> io::Result<RawFd> {
    // SAFETY: fcntl with F_DUPFD_CLOEXEC has no memory preconditions.
    let result = unsafe { libc::fcntl(descriptor, libc::F_DUPFD_CLOEXEC, minimum) };
    Ok(check(libc::c_long::from(result))? as RawFd)
}

/// Makes `target` another name of `source`, kept open across exec.
pub(crate) fn duplicate_to(source: RawFd, target: RawFd) -> io::Result<()> {
    // SAFETY: dup2 has no memory preconditions; whatever `target` was is given up by the caller.
    check(libc::c_long::from(unsafe { libc::dup2(source, target) })).map(|_| ())
}

/// A `prctl` whose arguments are plain numbers.
pub(crate) fn process_control(option: libc::c_int, argument: libc::c_ulong) -> io::Result<libc::c_int> {
    // SAFETY: callers pass options that take numbers, never pointers.
    let result = unsafe { libc::prctl(option, argument, 0 as libc::c_ulong, 0 as libc::c_ulong, 0 as libc::c_ulong) };
    check(libc::c_long::from(result)).map(|value| value as libc::c_int)
}

/// Replaces the process; returns only on failure.
pub(crate) fn execute(command: &[CString], environment: &[CString]) -> io::Error {
    let Some(program) = command.first() else { return io::ErrorKind::InvalidInput.into() };
    let mut arguments: Vec<*const libc::c_char> = command.iter().map(|argument| argument.as_ptr()).collect();
    arguments.push(ptr::null());
    let mut variables: Vec<*const libc::c_char> = environment.iter().map(|variable| variable.as_ptr()).collect();
    variables.push(ptr::null());
    // SAFETY: both arrays end with a null pointer and hold pointers to strings that outlive the call.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), variables.as_ptr()) };
    io::Error::last_os_error()
}

/// The kernel's highest signal.
const SIGNALS_MAX: libc::c_int = 64;

/// Puts every signal back to its default and unblocks all: exec keeps what is ignored or blocked.
pub(crate) fn reset_signals() {
    // The kernel's own `struct sigaction` without handler, flags, restorer and mask.
    let default = [0u64; 4];
    for signal in 1..=SIGNALS_MAX {
        // SAFETY: the kernel reads 32 bytes, which live across the call; no handler is installed. The raw call
        // also reaches the two signals that the C library keeps to itself; refusals (KILL, STOP) are fine.
        unsafe {
            libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null::<u64>(), size_of::<u64>());
        }
    }
    // SAFETY: an all-zero sigset_t is a valid empty set on Linux, and it lives across the call.
    unsafe {
        let empty: libc::sigset_t = std::mem::zeroed();
        libc::sigprocmask(libc::SIG_SETMASK, &raw const empty, ptr::null_mut());
    }
}

/// A set with SIGCHLD alone.
fn child_signal() -> libc::sigset_t {
    // SAFETY: the set is initialised by sigemptyset before use.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        set
    }
}

/// Keeps SIGCHLD pending until [`await_child_signal`] takes it.
pub(crate) fn block_child_signal() {
    let set = child_signal();
    // SAFETY: the set is valid and only read.
    unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
}

/// Waits until a child has ended since the last call.
pub(crate) fn await_child_signal() {
    let set = child_signal();
    // SAFETY: the set is valid and only read; nothing is written to a null pointer.
    unsafe { libc::sigtimedwait(&raw const set, ptr::null_mut(), ptr::null()) };
}

/// Makes orphans below this process its children.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    process_control(libc::PR_SET_CHILD_SUBREAPER, 1).map(|_| ())
}

/// Ignores a signal.
pub(crate) fn ignore_signal(signal: libc::c_int) {
    // SAFETY: SIG_IGN installs no handler.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// A descriptor that becomes readable when a child ends.
pub(crate) fn child_signals() -> io::Result<OwnedFd> {
    block_child_signal();
    let set = child_signal();
    // SAFETY: the set is valid and only read; the descriptor is new and owned by nobody else.
    unsafe {
        let descriptor = libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK);
        check(libc::c_long::from(descriptor))?;
        Ok(OwnedFd::from_raw_fd(descriptor))
    }
}

/// Gives a file to a host user.
pub(crate) fn change_owner(file: BorrowedFd<'_>, id: u32) -> io::Result<()> {
    // SAFETY: fchown takes numbers.
    check(libc::c_long::from(unsafe { libc::fchown(file.as_raw_fd(), id, id) })).map(|_| ())
}

/// Joins a new, empty session keyring, so that nothing started here inherits the operator's keys.
pub(crate) fn join_empty_keyring() {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring. Kernels without keyrings have none to inherit.
    unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, ptr::null::<libc::c_char>()) };
}

/// An `ioctl` whose argument is a number or a pointer that stays valid.
///
/// # Safety
/// `argument` must be what `request` expects on this kind of file.
pub(crate) unsafe fn device_control(
    file: BorrowedFd<'_>,
    request: libc::c_ulong,
    argument: libc::c_ulong,
) -> io::Result<libc::c_int> {
    // SAFETY: handed on to the caller.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), request as _, argument) };
    check(libc::c_long::from(result)).map(|value| value as libc::c_int)
}

/// Makes a device file.
pub(crate) fn make_device(path: &CStr, major: u32, minor: u32) -> io::Result<()> {
    let device = libc::makedev(major, minor);
    // SAFETY: the path is a valid string.
    check(libc::c_long::from(unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o666, device) })).map(|_| ())
}

/// Waits for one child.
pub(crate) fn wait_for(pid: i32) -> io::Result<i32> {
    let mut status = 0;
    loop {
        // SAFETY: status is a valid place for an int.
        match check(libc::c_long::from(unsafe { libc::waitpid(pid, &raw mut status, 0) })) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) => return Ok(status),
        }
    }
}

/// The most that this process may set a resource limit to.
pub(crate) fn resource_maximum(resource: libc::__rlimit_resource_t) -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid for writing.
    check(libc::c_long::from(unsafe { libc::getrlimit(resource, &raw mut limit) }))?;
    Ok(limit.rlim_max)
}

/// Whether the kernel has a capability of this number.
pub(crate) fn knows_capability(number: u64) -> bool {
    process_control(libc::PR_CAPBSET_READ, number as libc::c_ulong).is_ok()
}

/// A system call by its number.
///
/// # Safety
/// The arguments must be what the call expects; addresses must name memory of the size that it reads or writes.
pub(crate) unsafe fn call(number: i64, [a, b, c, d, e, f]: [u64; 6]) -> io::Result<()> {
    // SAFETY: handed on to the caller.
    let result = unsafe { libc::syscall(number as libc::c_long, a, b, c, d, e, f) };
    check(result).map(|_| ())
}

/// Takes over a descriptor that this process was given by number, and lets exec close it.
pub(crate) fn own(descriptor: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the callers run in a child that has just put this descriptor in place, and nothing else there owns it.
    let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor) };
    rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
    Ok(descriptor)
}
