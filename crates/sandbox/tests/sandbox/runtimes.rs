//! Other people's runtimes under the filter, where the machine has them.

use std::path::Path;

use tindra_sandbox::Exit;

use crate::Test;
use crate::support::{Ground, finish};

pub(crate) const TESTS: &[Test] =
    &[("python_does_much", python_does_much), ("node_runs", node_runs), ("java_runs", java_runs)];

fn python_does_much(ground: &Ground) {
    ground.output(
        "import subprocess, threading, multiprocessing, tempfile, ssl, asyncio, json, os, mmap, select, signal, resource\n\
         assert subprocess.run(['/bin/sh', '-c', 'echo hi | cat'], capture_output=True).stdout == b'hi\\n'\n\
         threads = [threading.Thread(target=lambda: None) for _ in range(20)]\n\
         [thread.start() for thread in threads]; [thread.join() for thread in threads]\n\
         queue = multiprocessing.get_context('fork').SimpleQueue()\n\
         child = multiprocessing.get_context('fork').Process(target=queue.put, args=(1,)); child.start(); assert queue.get() == 1; child.join()\n\
         tempfile.NamedTemporaryFile().write(b'x')\n\
         asyncio.run(asyncio.sleep(0)); ssl.create_default_context(); os.memfd_create('x'); os.sched_getaffinity(0)\n\
         assert open('/proc/meminfo').read() and open('/proc/cpuinfo').read()",
    );
}

fn node_runs(ground: &Ground) {
    if !Path::new("/usr/bin/node").exists() {
        eprintln!("SKIPPED: no node on this machine");
        return;
    }
    let script = "const { Worker } = require('worker_threads'); const fs = require('fs'); const os = require('os');\
        fs.writeFileSync('/tmp/a', 'x'); os.cpus(); os.networkInterfaces(); require('child_process').execSync('true');\
        new Worker('require(\"worker_threads\").parentPort.postMessage(1)', { eval: true }).on('message', m => { console.log('node', m); });";
    let mut spec = ground.root.command(&["/usr/bin/node", "-e", script]);
    spec.limits.memory_bytes = 1 << 30;
    let outcome = finish(ground.start(&spec));
    assert_eq!((outcome.exit, outcome.output.trim()), (Exit::Code(0), "node 1"));
}

fn java_runs(ground: &Ground) {
    if !Path::new("/usr/bin/java").exists() {
        eprintln!("SKIPPED: no java on this machine");
        return;
    }
    let java = Path::new("/usr/bin/java").canonicalize().unwrap();
    let mut spec = ground.root.command(&[java.to_str().unwrap(), "-XX:+UseSerialGC", "-version"]);
    spec.limits.memory_bytes = 1 << 30;
    let outcome = finish(ground.start(&spec));
    assert_eq!(outcome.exit, Exit::Code(0), "{}", outcome.output);
}
