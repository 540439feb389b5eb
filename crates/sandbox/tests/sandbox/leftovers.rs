//! Nothing is left behind, however the server ends; and what is left without root.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tindra_sandbox::{Launcher, LauncherOptions, Reach};

use crate::Test;
use crate::support::{Ground, PRINT_HOST_UID, Root, eventually, finish, open_to_all, processes_with_uid, read_line};

pub(crate) const TESTS: &[Test] = &[
    ("nothing_is_left_after_the_launcher", nothing_is_left_after_the_launcher),
    ("a_killed_server_leaves_nothing", a_killed_server_leaves_nothing),
    ("a_killed_launcher_leaves_nothing", a_killed_launcher_leaves_nothing),
    ("the_next_start_sweeps_what_a_massacre_left", the_next_start_sweeps_what_a_massacre_left),
    ("without_root_it_works_and_says_what_is_lost", without_root_it_works_and_says_what_is_lost),
];

/// Argument with which this binary holds a sandbox until it is killed.
const HOLD: &str = "hold-a-sandbox";
/// Argument with which it runs one command and prints the layers.
const DEGRADED: &str = "run-degraded";

/// Plays the part of a server in another process.
pub(crate) fn run_if_helper() -> bool {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(HOLD) => hold(Path::new(&arguments[2])),
        Some(DEGRADED) => degraded(Path::new(&arguments[2])),
        _ => return false,
    }
    true
}

fn hold(state: &Path) {
    let launcher =
        Launcher::start(LauncherOptions { state_directory: state.to_path_buf(), reach: Reach::default() }).unwrap();
    let root = Root::new();
    let spec = root.python(&format!("{PRINT_HOST_UID}\n__import__('time').sleep(3600)"));
    let (network, storage) = (launcher.network().unwrap(), launcher.storage(512).unwrap());
    let mut sandbox = launcher.spawn(&spec, &network, &storage).unwrap();
    println!("{}", read_line(&sandbox.take_stdout().unwrap()));
    let _ = std::io::stdin().read(&mut [0]);
    // Killed before; else everything is dropped in order.
}

fn degraded(state: &Path) {
    let launcher =
        Launcher::start(LauncherOptions { state_directory: state.to_path_buf(), reach: Reach::default() }).unwrap();
    for layer in launcher.layers() {
        println!("layer {} {} {}", layer.name, layer.holds, layer.detail);
    }
    let ground = Ground { launcher, root: Root::new(), state: tempfile::tempdir().unwrap() };
    let outcome = finish(ground.python(
        "import os\nopen('/tmp/x', 'w').write('x')\n\
         for line in open('/proc/self/status'):\n\
         \x20 if line.split(':')[0] in ('Uid', 'CapEff', 'CapBnd', 'NoNewPrivs', 'Seccomp'): print(line.strip())\n\
         import socket\n\
         try: socket.create_connection(('127.0.0.1', 80), timeout=5)\n\
         except OSError as error: print('refused', error.errno)\n\
         try: open('/x', 'w')\n\
         except OSError as error: print('read-only', error.errno)",
    ));
    println!("{:?}\n{}", outcome.exit, outcome.output);
}

/// Everything on the machine that bears the mark of this state directory.
pub(crate) fn leftovers(state: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for parent in fs::read_to_string(state.join("control-groups")).unwrap_or_default().lines() {
        if Path::new(parent).exists() {
            found.push(format!("control group {parent}"));
        }
    }
    let state_text = state.canonicalize().unwrap().display().to_string();
    for entry in fs::read_dir("/sys/block").unwrap().flatten() {
        let backing = fs::read_to_string(entry.path().join("loop/backing_file")).unwrap_or_default();
        if backing.contains(&state_text) {
            found.push(format!("loop device of {backing}"));
        }
    }
    if fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&state_text) {
        found.push("mount".to_owned());
    }
    for entry in fs::read_dir(state).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        // Of the directory of mount points, which kernels before 6.15 need, only the directory itself may stay.
        let is_expected = match name.as_str() {
            "control-groups" | "lock" | "template" | "templates" => true,
            "mounts" => fs::read_dir(entry.path()).unwrap().next().is_none(),
            _ => false,
        };
        if !is_expected {
            found.push(format!("file {name}"));
        }
    }
    found
}

fn nothing_is_left_after_the_launcher(ground: &Ground) {
    let state = tempfile::tempdir().unwrap();
    let launcher =
        Launcher::start(LauncherOptions { state_directory: state.path().to_path_buf(), reach: Reach::default() })
            .unwrap();
    let spec = ground.root.python(&format!("{PRINT_HOST_UID}\n__import__('time').sleep(3600)"));
    let (network, storage) = (launcher.network().unwrap(), launcher.storage(512).unwrap());
    let mut sandbox = launcher.spawn(&spec, &network, &storage).unwrap();
    let uid = read_line(&sandbox.take_stdout().unwrap()).parse().unwrap();
    assert!(!leftovers(state.path()).is_empty(), "the control group is seen while it exists");
    let groups = fs::read_to_string(state.path().join("control-groups")).unwrap();
    let parent = Path::new(groups.lines().next().unwrap());
    let is_group = |path: &PathBuf| path.is_dir();
    let leaf =
        fs::read_dir(parent).unwrap().map(|entry| entry.unwrap().path()).find(is_group).expect("its control group");
    drop(sandbox);
    eventually("the sandbox's control group is gone", || !leaf.exists());
    let another = launcher.spawn(&spec, &network, &storage).unwrap();
    drop((launcher, network, storage));
    drop(another);
    eventually("nothing is left", || leftovers(state.path()).is_empty());
    eventually("no process is left", || processes_with_uid(uid) == 0);
}

/// A server in another process, with one sandbox.
struct Held {
    server: Child,
    uid: u32,
    state: tempfile::TempDir,
}

fn held() -> Held {
    let state = tempfile::tempdir().unwrap();
    let mut server = Command::new("/proc/self/exe")
        .arg(HOLD)
        .arg(state.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let uid = line.trim().parse().unwrap();
    // Another launcher's sandbox may have the same uid.
    assert!(processes_with_uid(uid) >= 1);
    Held { server, uid, state }
}

impl Held {
    fn launcher(&self) -> i32 {
        children(self.server.id() as i32)[0]
    }

    fn kill_server(&mut self) {
        self.server.kill().unwrap();
        self.server.wait().unwrap();
    }

    fn assert_gone(&self) {
        eventually("nothing is left", || leftovers(self.state.path()).is_empty());
        eventually("no process is left", || processes_with_uid(self.uid) == 0);
    }
}

pub(crate) fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

fn kill(pid: i32) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
}

fn a_killed_server_leaves_nothing(_: &Ground) {
    let mut held = held();
    held.kill_server();
    held.assert_gone();
}

fn a_killed_launcher_leaves_nothing(_: &Ground) {
    let mut held = held();
    kill(held.launcher());
    eventually("no process is left", || processes_with_uid(held.uid) == 0);
    let has_groups = || leftovers(held.state.path()).iter().any(|left| left.contains("control group"));
    eventually("no control group is left", || !has_groups());
    // The server itself still holds its storage open.
    held.kill_server();
    held.assert_gone();
}

fn the_next_start_sweeps_what_a_massacre_left(_: &Ground) {
    let mut held = held();
    let launcher = held.launcher();
    let helpers = children(launcher);
    // Stopped first, so that none of them cleans up after another.
    for pid in helpers.iter().chain([&launcher]) {
        kill_process(Pid::from_raw(*pid).unwrap(), Signal::STOP).unwrap();
    }
    held.kill_server();
    for pid in helpers.iter().chain([&launcher]) {
        kill(*pid);
    }
    eventually("the processes are gone", || processes_with_uid(held.uid) == 0);
    assert!(!leftovers(held.state.path()).is_empty(), "control groups outlive their processes");
    let next =
        Launcher::start(LauncherOptions { state_directory: held.state.path().to_path_buf(), reach: Reach::default() })
            .unwrap();
    drop(next);
    held.assert_gone();
}

fn without_root_it_works_and_says_what_is_lost(_: &Ground) {
    let state = tempfile::tempdir_in("/tmp").unwrap();
    rustix::fs::chown(state.path(), Some(rustix::process::Uid::from_raw(65_534)), None).unwrap();
    open_to_all(state.path());
    // The binary lies where only root may look.
    let copy = state.path().join("copy");
    fs::copy("/proc/self/exe", &copy).unwrap();
    open_to_all(&copy);
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&copy)
        .arg(DEGRADED)
        .arg(state.path().join("state"))
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for expected in [
        "layer unique host uid false",
        "layer memory limit false",
        "layer private /tmp on disk false",
        "layer seccomp true",
        "layer outgoing connections true",
        "Uid:\t993",
        "CapEff:\t0000000000000000",
        "Seccomp:\t2",
        "refused 111",
        "read-only",
        "Code(0)",
    ] {
        assert!(text.contains(expected), "{expected:?} is not in\n{text}");
    }
}
