//! The launcher's templates: interpreters that fork themselves into sandboxes.
//!
//! A template runs nothing but the runtime pack's own code, with the launcher's power and a root of its own. Process 1 of
//! a new sandbox sends it the sandbox's namespaces and pipes (`fork_request.rs`); its child enters, confines itself by
//! the list of calls that the template was given at its start, and waits to be told what to do. A template says over
//! its socket first that it is ready, then which process went into which sandbox.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::process::{Signal, pidfd_send_signal};

use crate::confinement::Confinement;
use crate::error::{Failure, Named as _, Step};
use crate::filesystem::{self, Scaffold};
use crate::launcher::requests::write_outcome;
use crate::launcher::transport;
use crate::launcher::wire::{Reader, Truncated, Writer};
use crate::seccomp::Filter;
use crate::spec::Spec;
use crate::system;

/// The template finds its socket here.
const SOCKET: i32 = 4;
/// A template sees no network, and no host name or shared memory of the host. Its mounts are those of a root.
const NEW_NAMESPACES: i32 = libc::CLONE_NEWIPC | libc::CLONE_NEWUTS | libc::CLONE_NEWNET;
/// What a template writes about one fork: the sandbox's number and the child's process id.
const NOTICE_BYTES: usize = 12;

/// One running template. Dropped, it is killed; its children stay.
#[derive(Debug)]
pub(super) struct TemplateProcess {
    pidfd: OwnedFd,
    socket: OwnedFd,
    /// Who waits until it is ready.
    asker: Option<OwnedFd>,
}

/// What a template has to say.
#[derive(Debug)]
pub(super) enum News {
    /// Nothing more for now.
    None,
    /// It is no more.
    Gone,
    /// This process is in that sandbox.
    Forked { sandbox: u64, pid: i32 },
}

impl TemplateProcess {
    /// Starts one; `asker` is answered when it is ready.
    pub(super) fn start(
        spec: &Spec,
        root: BorrowedFd<'_>,
        scaffold: &Scaffold,
        filter: &Filter,
        is_root: bool,
        asker: OwnedFd,
    ) -> Result<TemplateProcess, (OwnedFd, Failure)> {
        match clone_template(spec, root, scaffold, filter, is_root) {
            Ok((pidfd, socket)) => Ok(TemplateProcess { pidfd, socket, asker: Some(asker) }),
            Err(failure) => Err((asker, failure)),
        }
    }

    /// Where requests for forks go.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Takes one message, if there is one. `id` is what the asker will call this template.
    pub(super) fn news(&mut self, id: u64) -> News {
        let mut buffer = [0; 4096];
        loop {
            let received = match rustix::net::recv(&self.socket, &mut buffer[..], rustix::net::RecvFlags::DONTWAIT) {
                Err(rustix::io::Errno::AGAIN) => return News::None,
                Err(rustix::io::Errno::INTR) => continue,
                Ok((length, _)) if length > 0 => &buffer[..length],
                _ => {
                    self.answer(id, Err(&gone()));
                    return News::Gone;
                }
            };
            if self.asker.is_some() {
                // Its greeting is an outcome, as every answer begins with; a bad one is passed on as it is.
                if received == [0] {
                    self.answer(id, Ok(()));
                } else if let Some(asker) = self.asker.take() {
                    let _ = transport::send(&asker, received, &[]);
                }
            } else if let Ok(news) = read_notice(received) {
                return news;
            }
        }
    }

    fn answer(&mut self, id: u64, outcome: Result<(), &Failure>) {
        let Some(asker) = self.asker.take() else { return };
        let mut writer = Writer::default();
        write_outcome(&mut writer, outcome);
        if outcome.is_ok() {
            writer.u64(id);
        }
        let _ = transport::send(&asker, &writer.finish(), &[]);
    }
}

impl Drop for TemplateProcess {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }
}

fn gone() -> Failure {
    Failure { step: Step::TemplateGone, subject: String::new(), source: io::ErrorKind::UnexpectedEof.into() }
}

fn read_notice(bytes: &[u8]) -> Result<News, Truncated> {
    debug_assert_eq!(bytes.len(), NOTICE_BYTES);
    let mut reader = Reader::new(bytes);
    Ok(News::Forked { sandbox: reader.u64()?, pid: reader.u32()?.cast_signed() })
}

fn clone_template(
    spec: &Spec,
    root: BorrowedFd<'_>,
    scaffold: &Scaffold,
    filter: &Filter,
    is_root: bool,
) -> Result<(OwnedFd, OwnedFd), Failure> {
    let (ours, theirs) = transport::pair().step(Step::TemplateStart)?;
    let confinement = Confinement::of_command(filter, is_root, spec.limits.open_files, true);
    let confinement = confinement.step(Step::ResourceLimits)?;
    match system::clone_into(NEW_NAMESPACES, None).step(Step::TemplateStart)? {
        None => {
            let Err(failure) = become_template(spec, root, scaffold, &theirs);
            let mut writer = Writer::default();
            write_outcome(&mut writer, Err(&failure));
            let _ = transport::send(&theirs, &writer.finish(), &[]);
            system::exit_now(1);
        }
        Some(cloned) => {
            let mut writer = Writer::default();
            // What a fork that fails is reported as.
            writer.u8(Step::ForkTemplate as u8);
            confinement.write(&mut writer);
            transport::send(&ours, &writer.finish(), &[]).step(Step::TemplateStart)?;
            Ok((cloned.pidfd, ours))
        }
    }
}

/// The steps of the child, from clone to the interpreter.
fn become_template(
    spec: &Spec,
    root: BorrowedFd<'_>,
    scaffold: &Scaffold,
    socket: &OwnedFd,
) -> Result<Infallible, Failure> {
    let ends_with_launcher = libc::SIGKILL.cast_unsigned().into();
    system::process_control(libc::PR_SET_PDEATHSIG, ends_with_launcher).step(Step::TemplateStart)?;
    filesystem::assemble_template(root, scaffold)?;
    let _ = rustix::process::setsid();
    system::reset_signals();
    let socket = system::duplicate_above(socket.as_raw_fd(), SOCKET + 1).step(Step::Descriptors)?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDWR, rustix::fs::Mode::empty());
    let null = null.step(Step::Descriptors)?;
    (0..3).try_for_each(|stream| system::duplicate_to(null.as_raw_fd(), stream)).step(Step::Descriptors)?;
    system::close_range(3, u32::MAX, true).step(Step::Descriptors)?;
    system::duplicate_to(socket, SOCKET).step(Step::Descriptors)?;
    let program = spec.command.first().map(|program| program.to_string_lossy().into_owned()).unwrap_or_default();
    Err(system::execute(&spec.command, &spec.environment)).step_on(Step::Execute, program)
}
