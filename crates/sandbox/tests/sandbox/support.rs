//! A launcher, a root directory made from the host's, and short ways to run Python in a sandbox.

use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tempfile::TempDir;
use tindra_sandbox::{Exit, Launcher, LauncherOptions, Limits, Mount, Network, Reach, Sandbox, Spec, Storage};

/// Longer than any of the tests' commands takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What the tests stand on.
pub(crate) struct Ground {
    pub(crate) launcher: Launcher,
    pub(crate) root: Root,
    pub(crate) state: TempDir,
}

/// A root directory with mount points, onto which the host's programs are mounted.
pub(crate) struct Root {
    directory: TempDir,
    mounts: Vec<Mount>,
    python: PathBuf,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) exit: Exit,
    pub(crate) output: String,
    pub(crate) out_of_memory: bool,
}

impl Ground {
    pub(crate) fn new() -> Ground {
        let state = tempfile::tempdir().unwrap();
        let options = LauncherOptions { state_directory: state.path().to_path_buf(), reach: Reach::default() };
        let launcher = Launcher::start(options).unwrap();
        for layer in launcher.layers() {
            println!("{:22} {:5} {}", layer.name, layer.holds, layer.detail);
        }
        Ground { launcher, root: Root::new(), state }
    }

    pub(crate) fn network(&self) -> Network {
        self.launcher.network().unwrap()
    }

    pub(crate) fn storage(&self) -> Storage {
        self.launcher.storage(512).unwrap()
    }

    /// Starts a Python script.
    pub(crate) fn python(&self, script: &str) -> Sandbox {
        self.start(&self.root.python(script))
    }

    pub(crate) fn start(&self, spec: &Spec) -> Sandbox {
        self.launcher.spawn(spec, &self.network(), &self.storage()).unwrap()
    }

    /// Runs a Python script to its end.
    pub(crate) fn run(&self, script: &str) -> Outcome {
        finish(self.python(script))
    }

    /// Runs a Python script that must end well; returns what it printed.
    pub(crate) fn output(&self, script: &str) -> String {
        let outcome = self.run(script);
        assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.output);
        outcome.output
    }
}

impl Root {
    pub(crate) fn new() -> Root {
        let directory = tempfile::tempdir().unwrap();
        open_to_all(directory.path());
        let python = find_python();
        let prefix = python.parent().and_then(Path::parent).unwrap().to_path_buf();
        let mut sources: Vec<PathBuf> = ["/usr", "/lib", "/lib64", "/bin"].iter().map(PathBuf::from).collect();
        sources.push(prefix);
        let mounts: Vec<Mount> = sources
            .into_iter()
            .filter(|source| source.exists())
            .map(|source| Mount { target: source.clone(), source })
            .collect();
        let own = ["/dev", "/proc", "/tmp", "/etc", "/opt", "/var/task"].map(PathBuf::from);
        for target in mounts.iter().map(|mount| &mount.target).chain(&own) {
            fs::create_dir_all(directory.path().join(target.strip_prefix("/").unwrap())).unwrap();
        }
        Root { directory, mounts, python }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Another directory of the same path.
    pub(crate) fn make_anew(self) -> Root {
        let aside = tempfile::tempdir().unwrap();
        let old = aside.path().join("old");
        fs::rename(self.path(), &old).unwrap();
        fs::create_dir(self.path()).unwrap();
        open_to_all(self.path());
        let names = fs::read_dir(&old).unwrap().map(|entry| entry.unwrap().file_name());
        names.for_each(|name| fs::rename(old.join(&name), self.path().join(&name)).unwrap());
        self
    }

    pub(crate) fn python(&self, script: &str) -> Spec {
        let command = [self.python.to_str().unwrap(), "-I", "-c", script];
        self.command(&command)
    }

    pub(crate) fn command(&self, command: &[&str]) -> Spec {
        let text = |text: &str| CString::new(text).unwrap();
        Spec {
            root: self.directory.path().to_path_buf(),
            mounts: self.mounts.clone(),
            command: command.iter().map(|argument| text(argument)).collect(),
            environment: vec![text("PATH=/usr/bin:/bin"), text("SECRET=inside")],
            working_directory: "/".into(),
            limits: Limits { memory_bytes: 256 << 20, cpu_millis: None, processes: 1024, open_files: 1024 },
            log_descriptor: 3,
            control_descriptor: None,
        }
    }
}

/// Sandboxes have another uid than the maker of the directory.
pub(crate) fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn find_python() -> PathBuf {
    let pyenv = fs::read_dir("/root/.pyenv/versions").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = pyenv.map(|entry| entry.path().join("bin/python3")).collect();
    found.sort();
    found.push("/usr/bin/python3".into());
    let newest = found.into_iter().rev().find(|path| path.exists());
    newest.expect("a python3 in /usr/bin or of pyenv").canonicalize().unwrap()
}

/// Waits for the end and reads everything.
pub(crate) fn finish(mut sandbox: Sandbox) -> Outcome {
    let stdout = sandbox.take_stdout().unwrap();
    let stderr = sandbox.take_stderr().unwrap();
    let output = read_to_end(&stdout) + &read_to_end(&stderr);
    let exit = wait(&sandbox);
    Outcome { exit, output, out_of_memory: sandbox.out_of_memory() }
}

/// Waits for the end.
pub(crate) fn wait(sandbox: &Sandbox) -> Exit {
    assert!(is_readable(sandbox.status().unwrap(), PATIENCE), "the sandbox did not end");
    sandbox.try_exit().unwrap().expect("the status was readable")
}

pub(crate) fn is_readable(file: impl AsFd, patience: Duration) -> bool {
    let patience = Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
    poll(&mut [PollFd::new(&file, PollFlags::IN)], Some(&patience)).unwrap() > 0
}

/// Reads until the other side closes.
pub(crate) fn read_to_end(pipe: &OwnedFd) -> String {
    let mut file = File::from(pipe.try_clone().unwrap());
    let mut text = Vec::new();
    let mut buffer = [0; 65_536];
    loop {
        assert!(is_readable(pipe, PATIENCE), "no more output: {}", String::from_utf8_lossy(&text));
        match file.read(&mut buffer).unwrap() {
            0 => return String::from_utf8_lossy(&text).into_owned(),
            length => text.extend_from_slice(&buffer[..length]),
        }
    }
}

/// Reads one line.
pub(crate) fn read_line(pipe: &OwnedFd) -> String {
    let mut line = Vec::new();
    let mut byte = [0];
    loop {
        assert!(is_readable(pipe, PATIENCE), "no line: {}", String::from_utf8_lossy(&line));
        let length = rustix::io::read(pipe, &mut byte).unwrap();
        if length == 0 || byte[0] == b'\n' {
            return String::from_utf8_lossy(&line).into_owned();
        }
        line.push(byte[0]);
    }
}

/// Waits for something that becomes true without telling.
pub(crate) fn eventually(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_true() {
        assert!(Instant::now() < end, "it never came about that {what}");
        std::thread::yield_now();
    }
}

/// Processes of the host that run under sandbox uids in this range of status lines.
pub(crate) fn processes_with_uid(uid: u32) -> usize {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let needle = format!("Uid:\t{uid}\t");
    processes
        .filter(|entry| fs::read_to_string(entry.path().join("status")).is_ok_and(|text| text.contains(&needle)))
        .count()
}

/// The host uid of the function, as its own map tells.
pub(crate) const PRINT_HOST_UID: &str = "print(open('/proc/self/uid_map').read().split()[1], flush=True)";
