//! What can go wrong, one name per step.

use std::io;
use std::path::PathBuf;

/// Declares the steps once: the variant and the words that follow "failed to".
macro_rules! steps {
    ($($name:ident => $words:literal,)*) => {
        /// One thing that is attempted on the way to a sandbox. Its text reads after "failed to".
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Step {
            $(#[doc = $words] $name,)*
        }

        impl Step {
            const ALL: &[Step] = &[$(Step::$name,)*];

            /// The words that follow "failed to".
            #[must_use]
            pub fn words(self) -> &'static str {
                match self { $(Step::$name => $words,)* }
            }
        }
    };
}

steps! {
    // The launcher itself.
    PrivateMounts => "give the launcher a mount namespace of its own",
    UserNamespaceOfLauncher => "make a user namespace without root; allow unprivileged user namespaces (on Ubuntu: an AppArmor profile \
        with `userns,` for this binary, or kernel.apparmor_restrict_unprivileged_userns=0; else kernel.unprivileged_userns_clone=1 \
        and user.max_user_namespaces above 0) or start as root",
    PrivilegeOfRoot => "find CAP_SYS_ADMIN although the user is root; start on the host itself, in a privileged container, or as an ordinary user",
    StateDirectory => "use the state directory of the launcher",
    StateInUse => "take the lock of the state directory; another server uses it",
    DeviceTemplate => "make the template of /dev",
    SeccompCompile => "compile the system call filter",
    ForkHelper => "fork a helper of the launcher",
    UnknownRequest => "understand a request to the launcher",
    // Networks and storages.
    NetworkNamespace => "make a network namespace",
    NetworkLoopback => "bring up the loopback interface of the network namespace",
    NetworkSockets => "open the listening sockets in the network namespace",
    NetworkEgressRule => "make the rule that hands outgoing connections to the relay",
    UserNamespace => "make the user namespace of a sandbox",
    IdentitiesUsedUp => "find an unused host uid for a sandbox",
    StorageTemplate => "make the file system image for /tmp",
    StorageCopy => "copy the file system image for /tmp",
    StorageLoop => "attach the image for /tmp to a loop device",
    StorageMount => "mount the image for /tmp",
    // Spawning, in the launcher.
    Pipes => "open the pipes of a sandbox",
    CgroupMake => "make the control groups of a sandbox",
    CgroupLimit => "set a limit in the control groups of a sandbox",
    Clone => "clone a process into new namespaces",
    // Spawning, in the child.
    CgroupJoin => "join the control groups of the sandbox",
    NetworkJoin => "join the network namespace of the sandbox",
    CgroupNamespace => "make the control group namespace of the sandbox",
    MountRoot => "mount the root directory of the sandbox read-only",
    MountTargetMissing => "find a mount point in the root directory of the sandbox; the root must hold it as an empty directory",
    MountDirectory => "mount a read-only directory in the sandbox",
    MountTmp => "mount /tmp in the sandbox",
    MountDev => "mount /dev in the sandbox",
    MountShm => "mount /dev/shm in the sandbox",
    MountProc => "mount /proc in the sandbox",
    MaskProc => "mask a dangerous file in /proc of the sandbox",
    EnterRoot => "enter the root of the sandbox",
    PivotRoot => "pivot into the root of the sandbox",
    DetachOldRoot => "detach the host's root from the sandbox",
    Hostname => "set the host name of the sandbox",
    UserNamespaceJoin => "enter the user namespace of the sandbox",
    TemplateStart => "start a template",
    TemplateGone => "reach a template; it has ended",
    ForkTemplate => "fork the template of the sandbox",
    Attach => "attach a read-only directory to a running sandbox",
    ForkCommand => "fork the command of the sandbox",
    ConfinePidOne => "confine process 1 of the sandbox",
    Descriptors => "arrange the descriptors of the command",
    ResourceLimits => "set the resource limits of the command",
    Identity => "become the user of the sandbox",
    Capabilities => "drop the capabilities of the command",
    NoNewPrivileges => "set no_new_privs for the command",
    WorkingDirectory => "enter the working directory in the sandbox",
    Landlock => "apply Landlock to the command",
    Seccomp => "apply the system call filter to the command",
    Execute => "execute the command in the sandbox",
}

impl Step {
    pub(crate) fn from_code(code: u8) -> Step {
        Step::ALL.get(usize::from(code)).copied().unwrap_or(Step::UnknownRequest)
    }
}

/// Why a sandbox, or a part of one, could not be had. Reads after "failed to".
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A step on the way to a sandbox; `subject` is the path or name it concerned, or empty.
    #[error("{}{}", step.words(), in_brackets(subject))]
    Step {
        /// What was attempted.
        step: Step,
        /// The path or name it concerned; may be empty.
        subject: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// The launcher process could not be started.
    #[error("start the launcher process")]
    StartLauncher {
        /// What the kernel said.
        source: io::Error,
    },
    /// The state directory could not be made.
    #[error("make the state directory {}", path.display())]
    StateDirectory {
        /// The directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// What is to be used was made by a launcher process that has ended; another one has taken its place, or will.
    #[error("use what a launcher process that has ended had made; try again")]
    Outlived,
    /// A launcher process that was started anew protects less than the first.
    #[error("start a launcher process with the protection it had before: {layer}; restart the server to accept that")]
    Weaker {
        /// What does not hold any more, and why.
        layer: String,
    },
    /// The launcher process ended or does not answer; every sandbox is gone.
    #[error("reach the launcher process; it has ended or hangs; if trying again does not help, restart the server")]
    LauncherGone {
        /// What the socket said.
        source: io::Error,
    },
    /// The specification does not fit into a request: command, environment and paths together are too long.
    #[error("describe the sandbox in {limit_bytes} bytes; its command, environment and paths take {actual_bytes}")]
    SpecTooLong {
        /// The most that fits.
        limit_bytes: usize,
        /// What it would take.
        actual_bytes: usize,
    },
    /// A process was asked for a copy of itself and gave none.
    #[error("copy a process; it has ended, or does not listen")]
    Copy {
        /// What the socket said.
        source: io::Error,
    },
    /// A control file of a running sandbox.
    #[error("{action} the sandbox")]
    Control {
        /// `kill`, `freeze`, `thaw`, `set the CPU limit of` or `set the memory limit of`.
        action: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}

fn in_brackets(subject: &str) -> String {
    if subject.is_empty() { String::new() } else { format!(" ({subject})") }
}

impl SandboxError {
    pub(crate) fn step(step: Step, subject: impl Into<String>, source: io::Error) -> SandboxError {
        SandboxError::Step { step, subject: subject.into(), source }
    }
}

/// A failed step before it is sent or shown.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) subject: String,
    pub(crate) source: io::Error,
}

impl From<Failure> for SandboxError {
    fn from(failure: Failure) -> SandboxError {
        SandboxError::step(failure.step, failure.subject, failure.source)
    }
}

/// Names the step that a system call belonged to.
pub(crate) trait Named<T> {
    fn step(self, step: Step) -> Result<T, Failure>;
    fn step_on(self, step: Step, subject: impl AsRef<std::path::Path>) -> Result<T, Failure>;
}

impl<T, E: Into<io::Error>> Named<T> for Result<T, E> {
    fn step(self, step: Step) -> Result<T, Failure> {
        self.map_err(|source| Failure { step, subject: String::new(), source: source.into() })
    }

    fn step_on(self, step: Step, subject: impl AsRef<std::path::Path>) -> Result<T, Failure> {
        self.map_err(|source| Failure { step, subject: subject.as_ref().display().to_string(), source: source.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_survive_the_wire() {
        for step in Step::ALL {
            assert_eq!(Step::from_code(*step as u8), *step);
        }
    }

    #[test]
    fn reads_after_failed_to() {
        let error = SandboxError::step(Step::MountProc, "", io::Error::from_raw_os_error(1));
        assert_eq!(format!("failed to {error}"), "failed to mount /proc in the sandbox");
        let error = SandboxError::step(Step::MountDirectory, "/opt", io::Error::from_raw_os_error(2));
        assert_eq!(error.to_string(), "mount a read-only directory in the sandbox (/opt)");
    }
}
