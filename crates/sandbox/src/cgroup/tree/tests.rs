//! The path logic, on text and on a fake tree of plain files.

use super::*;

const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw";

#[test]
fn finds_hybrid_hierarchies_and_own_groups() {
    let found = mounted(HYBRID, "4:memory:/a/b\n1:cpu,cpuacct:/\n0::/c\n");
    let paths: Vec<_> = found.iter().map(|mount| mount.candidates.clone()).collect();
    assert_eq!(
        paths,
        [
            vec![PathBuf::from("/sys/fs/cgroup/cpu,cpuacct")],
            vec!["/sys/fs/cgroup/memory/a/b".into(), "/sys/fs/cgroup/memory".into()],
            vec!["/sys/fs/cgroup/freezer".into()],
            vec!["/sys/fs/cgroup/unified/c".into(), "/sys/fs/cgroup/unified".into()],
        ]
    );
}

#[test]
fn a_mount_of_a_subtree_is_relative_to_it() {
    let line = "35 31 0:32 /docker/x /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory";
    let found = mounted(line, "4:memory:/docker/x/inner\n");
    assert_eq!(found[0].candidates[0], PathBuf::from("/sys/fs/cgroup/memory/inner"));
}

fn v2_directory(path: &Path, controllers: &str) {
    fs::create_dir_all(path).unwrap();
    fs::write(path.join("cgroup.controllers"), controllers).unwrap();
    fs::write(path.join("cgroup.subtree_control"), controllers).unwrap();
}

#[test]
fn a_unified_machine_gets_all_in_one_directory() {
    let scratch = tempfile::tempdir().unwrap();
    let own = scratch.path().join("system.slice");
    v2_directory(&own, "cpu io memory pids");
    v2_directory(&own.join("tindra-1"), "cpu memory pids");
    let mount = Mounted {
        version: Version::V2,
        controllers: Controllers::default().with(Controller::Core),
        candidates: vec![own.clone()],
    };
    let tree = Tree::in_mounts(&[mount], "tindra-1");
    assert_eq!(tree.hierarchies.len(), 1);
    assert_eq!(tree.hierarchies[0].controllers, Controllers(1 | 2 | 4 | 8));
    assert!(tree.layers().iter().all(|layer| layer.holds));
    assert_eq!(tree.leaf_paths("7"), [own.join("tindra-1/7")]);
}

#[test]
fn limits_are_written_as_v2_wants_them() {
    let scratch = tempfile::tempdir().unwrap();
    for name in
        ["memory.max", "memory.swap.max", "memory.oom.group", "pids.max", "cpu.max", "cgroup.freeze", "cgroup.kill"]
    {
        fs::write(scratch.path().join(name), "").unwrap();
    }
    fs::write(scratch.path().join("memory.events"), "low 0\noom 1\noom_kill 2\n").unwrap();
    fs::write(scratch.path().join("memory.peak"), "4096\n").unwrap();
    fs::write(scratch.path().join("memory.current"), "2048\n").unwrap();
    fs::write(scratch.path().join("cpu.stat"), "usage_usec 77\nuser_usec 1\n").unwrap();
    let directory = scratch.path().to_path_buf();
    let group = Group { members: vec![Member { version: Version::V2, controllers: Controllers(15), directory }] };
    let limits = Limits { memory_bytes: 1 << 27, cpu_millis: Some(72), processes: 1024, open_files: 1024 };
    group.limit(&limits).unwrap();
    group.freeze(true).unwrap();
    assert!(group.kill());
    let written = |name: &str| fs::read_to_string(scratch.path().join(name)).unwrap();
    assert_eq!(written("memory.max"), "134217728");
    assert_eq!(written("memory.swap.max"), "0");
    assert_eq!(written("memory.oom.group"), "1");
    assert_eq!(written("pids.max"), "1025");
    assert_eq!(written("cpu.max"), "1440 20000");
    assert_eq!((written("cgroup.freeze"), written("cgroup.kill")), ("1".into(), "1".into()));
    assert!(group.out_of_memory());
    assert_eq!(group.memory_bytes().unwrap(), 2048);
    assert_eq!((group.memory_peak_bytes().unwrap(), group.cpu_time_us().unwrap()), (4096, 77));
    assert_eq!(group.memory_bytes().unwrap(), 2048);
}

#[test]
fn nothing_writable_is_told_not_hidden() {
    let tree = Tree::in_mounts(&[], "tindra-1");
    let layers = tree.layers();
    assert!(layers.iter().all(|layer| !layer.holds && layer.detail.contains("Delegate=yes")), "{layers:?}");
}
