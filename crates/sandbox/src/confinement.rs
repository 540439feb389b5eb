//! What takes everything away from a process, as data: the system calls and their order.
//!
//! Decided here once, for three performers: the child that executes a command, process 1 of a sandbox, and the
//! children of a template, which is an interpreter and performs the list by itself (`runtimes/python/template.py`).

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use crate::error::{Failure, Named as _, Step};
use crate::identity::USER_INSIDE;
use crate::launcher::wire::Writer;
use crate::seccomp::Filter;
use crate::system;

/// Locked memory (Linux's old default; enough for a key, too little to pin a sandbox).
const LOCKED_MEMORY_BYTES: u64 = 64 * 1024;
/// No root magic, no fix-up, no ambient capabilities, no kept capabilities, and none of it to be undone.
const SECURE_BITS: u64 = 0x1 | 0x2 | 0x4 | 0x8 | 0x20 | 0x40 | 0x80;
/// More capabilities than any kernel has.
const CAPABILITIES_MAX: u64 = 64;
/// `_LINUX_CAPABILITY_VERSION_3`, for this process.
const CAPABILITY_HEADER: [u32; 2] = [0x2008_0522, 0];
const SECCOMP_SET_MODE_FILTER: u64 = 1;

/// The calls, in order.
#[derive(Debug, Default)]
pub(crate) struct Confinement {
    calls: Vec<Call>,
}

/// One system call.
#[derive(Debug)]
struct Call {
    /// What a refusal is reported as.
    step: Step,
    /// A refusal changes nothing that matters.
    may_fail: bool,
    number: i64,
    arguments: Vec<Argument>,
}

#[derive(Debug)]
enum Argument {
    Number(u64),
    /// The address of these bytes.
    Bytes(Vec<u8>),
    /// The address of a `struct sock_fprog` that names these instructions.
    Program(Vec<u8>),
    /// The descriptor of the Landlock rules; without rules the call is left out.
    Rules,
}

impl Confinement {
    /// Of a function's command. `is_forked`: it is not executed after this, so what exec resets is set here.
    pub(crate) fn of_command(filter: &Filter, is_root: bool, open_files: u64, is_forked: bool) -> io::Result<Self> {
        let mut list = Self::default();
        list.call(Step::Identity, libc::SYS_setsid, []).may_fail();
        list.limit_resources(open_files)?;
        list.drop_privileges(USER_INSIDE, is_root);
        if is_forked {
            // Else /proc/self would belong to root. What it was forked from holds nothing that is secret.
            list.process_control(Step::Identity, libc::PR_SET_DUMPABLE, 1);
        }
        list.call(Step::Landlock, libc::SYS_landlock_restrict_self, [Argument::Rules, Argument::Number(0)]);
        list.install(filter);
        Ok(list)
    }

    /// Of process 1, which nobody may trace and which ends with the launcher.
    pub(crate) fn of_process_one(filter: &Filter, is_root: bool, id_inside: u32) -> Self {
        let mut list = Self::default();
        list.drop_privileges(id_inside, is_root);
        list.process_control(Step::ConfinePidOne, libc::PR_SET_DUMPABLE, 0);
        // After the change of credentials, which clears it.
        list.process_control(Step::ConfinePidOne, libc::PR_SET_PDEATHSIG, libc::SIGKILL.cast_unsigned().into());
        list.install(filter);
        list
    }

    fn call<const COUNT: usize>(
        &mut self,
        step: Step,
        number: libc::c_long,
        arguments: [Argument; COUNT],
    ) -> &mut Call {
        self.calls.push(Call { step, may_fail: false, number, arguments: arguments.into() });
        self.calls.last_mut().expect("one was pushed")
    }

    fn process_control(&mut self, step: Step, option: libc::c_int, argument: u64) -> &mut Call {
        let numbers = [u64::from(option.cast_unsigned()), argument, 0, 0, 0].map(Argument::Number);
        self.call(step, libc::SYS_prctl, numbers)
    }

    fn limit_resources(&mut self, open_files: u64) -> io::Result<()> {
        // A process limit per uid is left alone: the pids controller counts what matters.
        let limits = [
            (libc::RLIMIT_NOFILE, open_files),
            (libc::RLIMIT_CORE, 0),
            (libc::RLIMIT_MEMLOCK, LOCKED_MEMORY_BYTES),
            (libc::RLIMIT_MSGQUEUE, 0),
            (libc::RLIMIT_RTPRIO, 0),
        ];
        for (resource, wanted) in limits {
            // Never above what this process, and so its child, may set.
            let limit = wanted.min(system::resource_maximum(resource)?);
            let both = [limit, limit].map(u64::to_ne_bytes).concat();
            let numbers = [Argument::Number(0), Argument::Number(u64::from(resource))];
            let [this_process, resource] = numbers;
            let arguments = [this_process, resource, Argument::Bytes(both), Argument::Number(0)];
            self.call(Step::ResourceLimits, libc::SYS_prlimit64, arguments);
        }
        Ok(())
    }

    /// An ordinary user without any capability, for good.
    fn drop_privileges(&mut self, id: u32, is_root: bool) {
        for capability in (0..CAPABILITIES_MAX).take_while(|capability| system::knows_capability(*capability)) {
            self.process_control(Step::Capabilities, libc::PR_CAPBSET_DROP, capability).may_fail();
        }
        self.process_control(Step::Capabilities, libc::PR_SET_SECUREBITS, SECURE_BITS);
        let groups = self.call(Step::Identity, libc::SYS_setgroups, [0, 0].map(Argument::Number));
        // In a user namespace made without root the kernel refuses to drop groups.
        groups.may_fail = !is_root;
        let ids = || [u64::from(id); 3].map(Argument::Number);
        self.call(Step::Identity, libc::SYS_setresgid, ids());
        self.call(Step::Identity, libc::SYS_setresuid, ids());
        let clear = libc::PR_CAP_AMBIENT_CLEAR_ALL.cast_unsigned().into();
        self.process_control(Step::Capabilities, libc::PR_CAP_AMBIENT, clear).may_fail();
        let header = CAPABILITY_HEADER.map(u32::to_ne_bytes).concat();
        let none = vec![0; 24];
        self.call(Step::Capabilities, libc::SYS_capset, [header, none].map(Argument::Bytes));
        self.process_control(Step::NoNewPrivileges, libc::PR_SET_NO_NEW_PRIVS, 1);
    }

    fn install(&mut self, filter: &Filter) {
        let [mode, flags] = [SECCOMP_SET_MODE_FILTER, 0].map(Argument::Number);
        self.call(Step::Seccomp, libc::SYS_seccomp, [mode, flags, Argument::Program(filter.bytes())]);
    }

    /// Performs the list on the calling, single-threaded process.
    pub(crate) fn perform(&self, rules: Option<BorrowedFd<'_>>) -> Result<(), Failure> {
        self.calls.iter().try_for_each(|call| call.perform(rules))
    }

    /// For another performer.
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u32(u32::try_from(self.calls.len()).unwrap_or(0));
        for call in &self.calls {
            writer.u8(call.step as u8);
            writer.u8(u8::from(call.may_fail));
            writer.u64(call.number.cast_unsigned());
            writer.u8(u8::try_from(call.arguments.len()).unwrap_or(0));
            for argument in &call.arguments {
                match argument {
                    Argument::Number(number) => {
                        writer.u8(0);
                        writer.u64(*number);
                    }
                    Argument::Bytes(bytes) => {
                        writer.u8(1);
                        writer.bytes(bytes);
                    }
                    Argument::Program(bytes) => {
                        writer.u8(2);
                        writer.bytes(bytes);
                    }
                    Argument::Rules => writer.u8(3),
                }
            }
        }
    }
}

impl Call {
    fn may_fail(&mut self) {
        self.may_fail = true;
    }

    fn perform(&self, rules: Option<BorrowedFd<'_>>) -> Result<(), Failure> {
        let mut programs = Vec::new();
        let mut numbers = [0; 6];
        for (number, argument) in numbers.iter_mut().zip(&self.arguments) {
            *number = match argument {
                Argument::Number(number) => *number,
                Argument::Bytes(bytes) => bytes.as_ptr() as u64,
                Argument::Program(bytes) => {
                    let program = Box::new(libc::sock_fprog {
                        len: u16::try_from(bytes.len() / size_of::<libc::sock_filter>()).unwrap_or(0),
                        filter: bytes.as_ptr().cast_mut().cast(),
                    });
                    let address = std::ptr::from_ref(&*program) as u64;
                    programs.push(program);
                    address
                }
                Argument::Rules => match rules {
                    Some(rules) => u64::from(rules.as_raw_fd().cast_unsigned()),
                    None => return Ok(()),
                },
            };
        }
        // SAFETY: the numbers are those of a list made above: each address names bytes of the length that its call
        // reads, and they live until after the call; no call writes to memory.
        let performed = unsafe { system::call(self.number, numbers) };
        drop(programs);
        match performed {
            Err(_) if self.may_fail => Ok(()),
            other => other.step(self.step),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seccomp;

    #[test]
    fn the_filter_comes_last_and_powers_go_before_it() {
        let filter = seccomp::compile().unwrap();
        let list = Confinement::of_command(&filter, true, 1_024, true).unwrap();
        let position = |number| list.calls.iter().position(|call| call.number == number).unwrap();
        assert_eq!(position(libc::SYS_seccomp), list.calls.len() - 1);
        assert!(position(libc::SYS_setgroups) < position(libc::SYS_setresgid));
        assert!(position(libc::SYS_setresgid) < position(libc::SYS_setresuid));
        assert!(position(libc::SYS_setresuid) < position(libc::SYS_capset));
        assert!(position(libc::SYS_capset) < position(libc::SYS_landlock_restrict_self));
    }

    #[test]
    fn only_root_must_drop_its_groups() {
        let filter = seccomp::compile().unwrap();
        for is_root in [true, false] {
            let list = Confinement::of_process_one(&filter, is_root, 994);
            let groups = list.calls.iter().find(|call| call.number == libc::SYS_setgroups).unwrap();
            assert_eq!(groups.may_fail, !is_root);
        }
    }
}
