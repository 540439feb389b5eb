//! Memory, processes, files, CPU; freezing.

use std::time::Duration;

use tindra_sandbox::Exit;

use crate::Test;
use crate::support::{Ground, finish, is_readable, read_line, wait};

pub(crate) const TESTS: &[Test] = &[
    ("memory_kills_the_sandbox_alone", memory_kills_the_sandbox_alone),
    ("memory_of_a_child_kills_the_tree", memory_of_a_child_kills_the_tree),
    ("shared_memory_counts", shared_memory_counts),
    ("writing_much_to_tmp_is_not_memory", writing_much_to_tmp_is_not_memory),
    ("processes_end_at_1024", processes_end_at_1024),
    ("open_files_end_at_1024", open_files_end_at_1024),
    ("cpu_share_holds_and_changes", cpu_share_holds_and_changes),
    ("frozen_uses_no_cpu", frozen_uses_no_cpu),
];

fn memory_kills_the_sandbox_alone(ground: &Ground) {
    let neighbour = ground.python("input() if False else __import__('time').sleep(3600)");
    let sandbox = ground.python("x = bytearray(600 << 20)");
    assert!(matches!(wait(&sandbox), Exit::Lost | Exit::Signal(9)));
    assert!(sandbox.out_of_memory());
    let limit = 256 << 20;
    let peak = sandbox.memory_peak_bytes();
    assert!(peak > limit / 10 * 9 && peak <= limit, "{peak}");
    assert!(neighbour.try_exit().unwrap().is_none() && !neighbour.out_of_memory());
}

fn memory_of_a_child_kills_the_tree(ground: &Ground) {
    let sandbox = ground.python("import os, time\nif os.fork() == 0: x = bytearray(600 << 20)\ntime.sleep(3600)");
    wait(&sandbox);
    assert!(sandbox.out_of_memory());
}

fn shared_memory_counts(ground: &Ground) {
    let mut spec =
        ground.root.python("f = open('/dev/shm/x', 'wb')\nfor _ in range(63): f.write(bytes(1 << 20))\nprint('wrote')");
    spec.limits.memory_bytes = 40 << 20;
    let sandbox = ground.start(&spec);
    wait(&sandbox);
    assert!(sandbox.out_of_memory());
}

fn writing_much_to_tmp_is_not_memory(ground: &Ground) {
    let mut spec = ground.root.python(
        "import os\nf = open('/tmp/x', 'wb')\nfor _ in range(400): f.write(bytes(1 << 20))\nf.flush(); print(os.stat('/tmp/x').st_size >> 20)",
    );
    spec.limits.memory_bytes = 128 << 20;
    let outcome = finish(ground.start(&spec));
    assert_eq!((outcome.exit, outcome.output.trim()), (Exit::Code(0), "400"));
    assert!(!outcome.out_of_memory);
}

fn processes_end_at_1024(ground: &Ground) {
    let mut spec = ground.root.python(
        "import os, signal\ncount = 1\ntry:\n\
         \x20 while True:\n\
         \x20  if os.fork() == 0: signal.pause()\n\
         \x20  count += 1\n\
         except BlockingIOError: print(count, flush=True)\nos._exit(5)",
    );
    spec.limits.memory_bytes = 4 << 30;
    let outcome = finish(ground.start(&spec));
    assert_eq!((outcome.exit, outcome.output.trim()), (Exit::Code(5), "1024"));
}

fn open_files_end_at_1024(ground: &Ground) {
    let output = ground.output(
        "import errno\nkept = []\ntry:\n\
         \x20 while True: kept.append(open('/dev/null'))\n\
         except OSError as error: assert error.errno == errno.EMFILE\nprint(max(file.fileno() for file in kept))",
    );
    assert_eq!(output.trim(), "1023");
}

fn cpu_share_holds_and_changes(ground: &Ground) {
    let mut spec = ground.root.python("while True: pass");
    spec.limits.cpu_millis = Some(100);
    let sandbox = ground.start(&spec);
    let used = |for_how_long: Duration| {
        let before = sandbox.cpu_time_us();
        assert!(!is_readable(sandbox.status().unwrap(), for_how_long));
        sandbox.cpu_time_us() - before
    };
    used(Duration::from_millis(200));
    let share = used(Duration::from_millis(1000));
    assert!(share < 200_000, "{share} µs of a second at a tenth of a processor");
    sandbox.set_cpu_millis(None).unwrap();
    let free = used(Duration::from_millis(1000));
    assert!(free > share, "{free} µs without a limit, {share} µs with");
}

fn frozen_uses_no_cpu(ground: &Ground) {
    let mut sandbox = ground.python("print('on', flush=True)\nwhile True: pass");
    read_line(&sandbox.take_stdout().unwrap());
    sandbox.freeze().unwrap();
    assert!(!is_readable(sandbox.status().unwrap(), Duration::from_millis(50)));
    let before = sandbox.cpu_time_us();
    assert!(!is_readable(sandbox.status().unwrap(), Duration::from_millis(300)));
    assert!(sandbox.cpu_time_us() - before < 2_000, "it ran on");
    sandbox.thaw().unwrap();
    crate::support::eventually("it runs again", || sandbox.cpu_time_us() > before + 10_000);
    sandbox.freeze().unwrap();
    sandbox.kill().unwrap();
    assert_eq!(wait(&sandbox), Exit::Lost, "a kill must reach a frozen tree");
}
