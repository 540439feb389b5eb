//! A PostgreSQL of the tests' own: made from the programs that are installed, run as an unprivileged user, reached over a
//! Unix socket only, ended and removed with the process that runs the tests, however that ends.

#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Who runs it when the tests are run by root, whom PostgreSQL refuses: `nobody`, which every Linux has.
const UNPRIVILEGED: u32 = 65_534;
/// Tries of starting after a kill, while what is left of the killed one goes away.
const TRIES_MAX: usize = 50;

/// One PostgreSQL with its data.
pub(crate) struct Cluster {
    programs: PathBuf,
    directory: PathBuf,
    settings: String,
    /// Its standard input ends with this process, whereupon it ends PostgreSQL and removes the data.
    _ender: Child,
}

impl Cluster {
    /// Makes one and starts it with settings of the form `NAME=VALUE`.
    pub(crate) fn start(settings: &[&str]) -> Self {
        let programs = programs();
        let directory = tempfile::Builder::new().prefix("tindra-postgres-").tempdir().unwrap().keep();
        if is_root() {
            chown(&directory, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
        }
        let settings: String = settings.iter().map(|setting| format!(" -c {setting}")).collect();
        let settings = format!("-k {} -c listen_addresses= -c max_connections=300{settings}", directory.display());
        let ender = Command::new("sh")
            .args(["-c", "trap '' INT TERM HUP; read _; eval \"$1\"; rm -rf \"$2\"", "sh"])
            .arg(format!("{} {} -D data -m immediate -w stop", prefix().join(" "), programs.join("pg_ctl").display()))
            .arg(&directory)
            .current_dir(&directory)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cluster = Self { programs, directory, settings, _ender: ender };
        cluster.run("initdb", &["-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
        assert!(cluster.try_start(), "{}", cluster.log());
        cluster
    }

    /// The address of a database.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@/{database}?host={}", self.directory.display())
    }

    pub(crate) fn create(&self, database: &str) {
        self.sql("postgres", &format!("CREATE DATABASE {database} TEMPLATE template0"));
    }

    /// Runs statements and returns the first column of their rows. Not with `psql`: a process that is being started
    /// holds, for a moment, the locks of all stores that are open in this one.
    pub(crate) fn sql(&self, database: &str, statements: &str) -> Vec<String> {
        let (url, statements) = (self.url(database), statements.to_owned());
        let work = async move {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
            drop(tokio::spawn(connection));
            let messages = client.simple_query(&statements).await?;
            let rows = messages.iter().filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
                _ => None,
            });
            Ok::<_, tokio_postgres::Error>(rows.collect())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        std::thread::spawn(move || runtime.block_on(work)).join().unwrap().unwrap()
    }

    /// Kills it as a fault would.
    pub(crate) fn kill(&self) {
        let file = fs::read_to_string(self.directory.join("data/postmaster.pid")).unwrap();
        self.signal("KILL", file.lines().next().unwrap());
    }

    /// Sends a signal to one of its processes.
    pub(crate) fn signal(&self, name: &str, process: &str) {
        let arguments = ["-c", "kill -s \"$1\" \"$2\"", "sh", name, process];
        assert!(Command::new("sh").args(arguments).status().unwrap().success());
    }

    pub(crate) fn stop(&self) {
        self.run("pg_ctl", &["-D", "data", "-m", "fast", "-w", "stop"]);
    }

    /// Starts it again after a kill or a stop.
    pub(crate) fn start_again(&self) {
        assert!((0..TRIES_MAX).any(|_| self.try_start()), "{}", self.log());
    }

    /// From now on it follows another one, which never comes.
    pub(crate) fn become_standby(&self) {
        let file = self.directory.join("data/standby.signal");
        fs::write(&file, "").unwrap();
        if is_root() {
            chown(&file, Some(UNPRIVILEGED), Some(UNPRIVILEGED)).unwrap();
        }
    }

    fn try_start(&self) -> bool {
        let arguments = ["-D", "data", "-l", "log", "-w", "-t", "60", "-o", &self.settings, "start"];
        self.command("pg_ctl", &arguments).output().unwrap().status.success()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {said}\n{}", self.log());
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let line: Vec<String> = prefix();
        let program = self.programs.join(program);
        let mut command = match line.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        command.args(arguments).current_dir(&self.directory).stdin(Stdio::null());
        command
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// What runs a program as an unprivileged user.
fn prefix() -> Vec<String> {
    match is_root() {
        true => {
            let user = [format!("--reuid={UNPRIVILEGED}"), format!("--regid={UNPRIVILEGED}")];
            ["setpriv".to_owned()].into_iter().chain(user).chain(["--clear-groups".to_owned()]).collect()
        }
        false => Vec::new(),
    }
}

/// Where PostgreSQL's programs are: Debian keeps those of the server out of the path. The newest one.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let number = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest =
        versions.map(|version| version.path()).filter(|path| path.join("bin/initdb").exists()).max_by_key(number);
    newest
        .expect("PostgreSQL is needed by this test; install the package `postgresql` (14 or later) and run again")
        .join("bin")
}

/// One for all tests whose databases do not matter to each other; a power cut would harm it.
pub(crate) fn shared() -> &'static Cluster {
    static SHARED: OnceLock<Cluster> = OnceLock::new();
    SHARED.get_or_init(|| Cluster::start(&["fsync=off", "synchronous_commit=off", "full_page_writes=off"]))
}

/// The address of a database of the shared cluster that belongs to a directory: an empty one when it has none yet. What
/// belonged to a directory that is gone is emptied and given on, which takes less time than making another one.
pub(crate) fn database_of(directory: &Path) -> String {
    static KNOWN: Mutex<Vec<(PathBuf, String)>> = Mutex::new(Vec::new());
    let cluster = shared();
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, name)) = known.iter().find(|(owner, _)| owner == directory) {
        return cluster.url(name);
    }
    let (name, is_used) = match known.iter_mut().find(|(owner, _)| !owner.exists()) {
        Some((owner, name)) => {
            directory.clone_into(owner);
            (name.clone(), true)
        }
        None => {
            let name = format!("place{}", known.len());
            known.push((directory.to_owned(), name.clone()));
            (name, false)
        }
    };
    drop(known);
    match is_used {
        true => drop(cluster.sql(&name, "DROP SCHEMA IF EXISTS tindra CASCADE")),
        false => cluster.create(&name),
    }
    cluster.url(&name)
}
