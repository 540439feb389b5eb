//! Starting and ending process trees, whatever they do.

use std::time::{Duration, Instant};

use tindra_sandbox::{Exit, Mount};

use crate::Test;
use crate::support::{Ground, PRINT_HOST_UID, eventually, finish, is_readable, processes_with_uid, read_line, wait};

pub(crate) const TESTS: &[Test] = &[
    ("ends_are_told", ends_are_told),
    ("the_end_of_the_command_ends_the_rest", the_end_of_the_command_ends_the_rest),
    ("daemons_die_with_the_tree", daemons_die_with_the_tree),
    ("process_one_cannot_be_stopped", process_one_cannot_be_stopped),
    ("the_log_pipe_is_apart", the_log_pipe_is_apart),
    ("failures_name_their_step", failures_name_their_step),
    ("many_at_once", many_at_once),
    ("spawn_time", spawn_time),
];

fn ends_are_told(ground: &Ground) {
    assert_eq!(ground.run("raise SystemExit(7)").exit, Exit::Code(7));
    assert_eq!(ground.run("import os; os.kill(os.getpid(), 11)").exit, Exit::Signal(11));
    let sandbox = ground.python("pass");
    assert_eq!(wait(&sandbox), Exit::Code(0));
    assert_eq!(sandbox.try_exit().unwrap(), Some(Exit::Code(0)), "the end is told again");
}

const DAEMON: &str = "\
import os, time, signal
for number in set(range(1, 32)) - {signal.SIGCHLD}:
    try: signal.signal(number, signal.SIG_IGN)
    except OSError: pass
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1); os.close(2)
        while True: time.sleep(1)
    os._exit(0)
os.wait()
";

fn the_end_of_the_command_ends_the_rest(ground: &Ground) {
    let mut sandbox = ground.python(&format!("{DAEMON}\n{PRINT_HOST_UID}"));
    let uid = read_line(&sandbox.take_stdout().unwrap()).parse().unwrap();
    assert_eq!(wait(&sandbox), Exit::Code(0));
    eventually("no process is left", || processes_with_uid(uid) == 0);
}

fn daemons_die_with_the_tree(ground: &Ground) {
    let mut sandbox = ground.python(&format!("{DAEMON}\n{PRINT_HOST_UID}\ntime.sleep(3600)"));
    let uid = read_line(&sandbox.take_stdout().unwrap()).parse().unwrap();
    assert_eq!(processes_with_uid(uid), 2);
    assert_eq!(processes_with_uid(uid + 1), 1, "process 1 has another uid");
    sandbox.kill().unwrap();
    assert_eq!(wait(&sandbox), Exit::Lost);
    eventually("no process is left", || processes_with_uid(uid) + processes_with_uid(uid + 1) == 0);
}

fn process_one_cannot_be_stopped(ground: &Ground) {
    let mut sandbox = ground.python(
        "import os, signal, ctypes, time\n\
         for number in (signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM):\n\
         \x20 try: os.kill(1, number)\n\
         \x20 except PermissionError: continue\n\
         \x20 raise SystemExit('signal %d went to process 1' % number)\n\
         assert ctypes.CDLL(None, use_errno=True).ptrace(16, 1, 0, 0) == -1\n\
         try: os.kill(-1, signal.SIGSTOP)\n\
         except OSError: pass\n\
         print('tried', flush=True)\n\
         time.sleep(3600)",
    );
    assert_eq!(read_line(&sandbox.take_stdout().unwrap()), "tried");
    sandbox.kill().unwrap();
    assert_eq!(wait(&sandbox), Exit::Lost);
}

fn the_log_pipe_is_apart(ground: &Ground) {
    let mut spec = ground.root.python("import os; os.write(7, b'framed\\n'); print('plain')");
    spec.log_descriptor = 7;
    let mut sandbox = ground.start(&spec);
    let log = sandbox.take_log().unwrap();
    assert_eq!(read_line(&log), "framed");
    assert!(sandbox.take_log().is_none());
    assert_eq!(finish(sandbox).output, "plain\n");
}

fn failures_name_their_step(ground: &Ground) {
    let refused = |spec| {
        let error = ground.launcher.spawn(&spec, &ground.network(), &ground.storage()).unwrap_err();
        error.to_string()
    };
    let mut spec = ground.root.python("pass");
    spec.mounts.push(Mount { source: "/usr".into(), target: "/not/there".into() });
    let text = refused(spec);
    assert!(text.contains("mount point") && text.contains("/not/there"), "{text}");
    let mut spec = ground.root.python("pass");
    spec.root = "/no/such/root".into();
    assert!(refused(spec).contains("/no/such/root"));
    let text = refused(ground.root.command(&["/bin/no-such-program"]));
    assert!(text.contains("execute") && text.contains("no-such-program"), "{text}");
    let mut spec = ground.root.python("pass");
    spec.working_directory = "/missing".into();
    assert!(refused(spec).contains("/missing"));
    let mut spec = ground.root.python("pass");
    spec.environment.push(std::ffi::CString::new(vec![b'x'; 200_000]).unwrap());
    assert!(refused(spec).contains("describe the sandbox"));
}

/// Eight threads ask at the same time, without a lock among them and far beyond what the pools hold.
fn many_at_once(ground: &Ground) {
    const THREADS: usize = 8;
    const EACH: usize = 12;
    let ends: Vec<Exit> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let all: Vec<_> = (0..EACH).map(|_| ground.python("raise SystemExit(3)")).collect();
                    all.iter().map(wait).collect::<Vec<Exit>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(ends, [Exit::Code(3); THREADS * EACH]);
}

/// Not a gate: figures for the documentation, with gaps, because back-to-back spawns hide waits of the kernel.
fn spawn_time(ground: &Ground) {
    let (mut networks, mut storages, mut spawns, mut drops) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let quiet = rustix::pipe::pipe().unwrap();
    for _ in 0..15 {
        is_readable(&quiet.0, Duration::from_millis(70));
        let network = timed(&mut networks, || ground.network());
        let storage = timed(&mut storages, || ground.storage());
        let spec = ground.root.command(&["/bin/true"]);
        let sandbox = timed(&mut spawns, || ground.launcher.spawn(&spec, &network, &storage).unwrap());
        wait(&sandbox);
        timed(&mut drops, || drop((sandbox, network, storage)));
    }
    let figures =
        [("network", networks), ("storage", storages), ("spawn to exec of /bin/true", spawns), ("drop", drops)];
    for (what, mut times) in figures {
        times.sort();
        println!("{what}: p50 {:?}, min {:?}, max {:?}", times[7], times[0], times[14]);
    }
}

fn timed<T>(times: &mut Vec<Duration>, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let made = work();
    times.push(start.elapsed());
    made
}
