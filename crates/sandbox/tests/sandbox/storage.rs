//! The private `/tmp`.

use tindra_sandbox::Exit;

use crate::Test;
use crate::support::{Ground, finish};

pub(crate) const TESTS: &[Test] = &[
    ("tmp_ends_at_its_size", tmp_ends_at_its_size),
    ("tmp_has_few_inodes", tmp_has_few_inodes),
    ("tmp_survives_a_respawn_and_is_private", tmp_survives_a_respawn_and_is_private),
    ("tmp_of_the_largest_size", tmp_of_the_largest_size),
];

const FILL: &str = "\
import errno
written = 0
with open('/tmp/x', 'wb', buffering=0) as file:
    try:
        while True: written += file.write(bytes(1 << 20))
    except OSError as error: assert error.errno == errno.ENOSPC
print(written >> 20)
";

fn tmp_ends_at_its_size(ground: &Ground) {
    let written: u64 = ground.output(FILL).trim().parse().unwrap();
    assert!((495..=512).contains(&written), "{written} MiB of 512");
}

fn tmp_has_few_inodes(ground: &Ground) {
    let made: u64 = ground
        .output(
            "import os, errno\nmade = 0\ntry:\n\
             \x20 while True: os.close(os.open('/tmp/%d' % made, os.O_CREAT)); made += 1\n\
             except OSError as error: assert error.errno == errno.ENOSPC\nprint(made)",
        )
        .trim()
        .parse()
        .unwrap();
    assert!((30_000..=33_000).contains(&made), "{made} files");
}

fn tmp_survives_a_respawn_and_is_private(ground: &Ground) {
    let (network, storage) = (ground.network(), ground.storage());
    let run = |script: &str| {
        let sandbox = ground.launcher.spawn(&ground.root.python(script), &network, &storage).unwrap();
        let outcome = finish(sandbox);
        assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.output);
        outcome.output
    };
    run("import os; assert os.listdir('/tmp') == []; open('/tmp/kept', 'w').write('here'); os.mkdir('/tmp/d', 0o700)");
    assert_eq!(run("print(open('/tmp/kept').read()); open('/tmp/d/x', 'w')"), "here\n");
    ground.output("import os; assert os.listdir('/tmp') == []; assert os.stat('/tmp').st_uid == 993");
}

fn tmp_of_the_largest_size(ground: &Ground) {
    let storage = ground.launcher.storage(10_240).unwrap();
    let spec = ground.root.python("import os; s = os.statvfs('/tmp'); print(s.f_bavail * s.f_frsize >> 20)");
    let outcome = finish(ground.launcher.spawn(&spec, &ground.network(), &storage).unwrap());
    let free: u64 = outcome.output.trim().parse().unwrap();
    assert!((10_150..=10_240).contains(&free), "{free} MiB");
}
