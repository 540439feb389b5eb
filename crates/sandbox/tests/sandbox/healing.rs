//! A launcher that has ended, or lost a helper, is replaced; nothing of the old one runs on or is used again.

use std::os::fd::AsFd as _;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use tindra_sandbox::{Exit, Launcher, LauncherOptions, Reach, SandboxError};

use crate::Test;
use crate::leftovers::{children, leftovers};
use crate::support::{Ground, PATIENCE, PRINT_HOST_UID, eventually, finish, processes_with_uid, read_line, wait};

pub(crate) const TESTS: &[Test] = &[
    ("a_killed_launcher_is_replaced", a_killed_launcher_is_replaced),
    ("a_killed_helper_is_replaced_with_its_launcher", a_killed_helper_is_replaced_with_its_launcher),
    ("a_launcher_that_lives_is_left_alone", a_launcher_that_lives_is_left_alone),
];

const SLEEP: &str = "__import__('time').sleep(3600)";

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

fn a_killed_launcher_is_replaced(ground: &Ground) {
    heals_after(ground, "the launcher", kill);
}

fn a_killed_helper_is_replaced_with_its_launcher(ground: &Ground) {
    // Sandboxes come after the helpers, which are there from the start.
    for (number, name) in ["the remover", "the maker", "the attacher"].into_iter().enumerate() {
        heals_after(ground, name, |launcher| kill(children(launcher)[number]));
    }
}

/// Harms a launcher that has a sandbox, and goes on with the same handle.
fn heals_after(ground: &Ground, what: &str, harm: impl Fn(i32)) {
    let state = tempfile::tempdir().unwrap();
    let options = LauncherOptions { state_directory: state.path().to_path_buf(), reach: Reach::default() };
    let launcher = Launcher::start(options).unwrap();
    let pid = launcher.process_id();
    let spec = ground.root.python(&format!("{PRINT_HOST_UID}\n{SLEEP}"));
    let (network, storage) = (launcher.network().unwrap(), launcher.storage(512).unwrap());
    let mut sandbox = launcher.spawn(&spec, &network, &storage).unwrap();
    let uid = read_line(&sandbox.take_stdout().unwrap()).parse().unwrap();
    let signal = launcher.end_signal().unwrap();

    harm(i32::try_from(pid).unwrap());
    let mut sources = [PollFd::from_borrowed_fd(signal.as_fd(), PollFlags::IN)];
    let patience = Timespec { tv_sec: PATIENCE.as_secs().cast_signed(), tv_nsec: 0 };
    assert_eq!(poll(&mut sources, Some(&patience)).unwrap(), 1, "{what}: the end is told");
    assert!(storage.is_outlived(), "{what}");
    assert_eq!(wait(&sandbox), Exit::Lost, "{what}: the sandbox ends with it");

    // The old storage's host ids may be somebody else's by now.
    let new_storage = launcher.storage(512).unwrap();
    assert!(matches!(launcher.spawn(&spec, &network, &storage), Err(SandboxError::Outlived)), "{what}");
    assert_eq!(processes_with_uid(uid), 0, "{what}: nothing of the old one runs when the new one is there");
    assert_ne!(launcher.process_id(), pid);
    let script = ground.root.python("print('well')");
    let outcome = finish(launcher.spawn(&script, &launcher.network().unwrap(), &new_storage).unwrap());
    assert_eq!((outcome.exit, outcome.output.as_str()), (Exit::Code(0), "well\n"), "{what}");

    drop((sandbox, network, storage, new_storage, launcher));
    eventually("nothing is left", || leftovers(state.path()).is_empty());
}

fn a_launcher_that_lives_is_left_alone(ground: &Ground) {
    let pid = ground.launcher.process_id();
    ground.launcher.heal().unwrap();
    assert_eq!(ground.launcher.process_id(), pid);
}
