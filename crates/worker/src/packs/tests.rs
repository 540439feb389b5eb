//! Packs: the cheap rules here; those that really make a pack are `#[ignore]`d, because they need interpreters
//! and (the first time) the package registries. Run them with
//! `TINDRA_TEST_PACKS=DIR cargo test -p tindra-worker packs -- --ignored --nocapture`.

use super::*;

struct Printed;

impl Progress for Printed {
    fn step(&self, step: &str, fraction: f32) {
        println!("{:3.0} % {step}", fraction * 100.0);
    }
}

fn scratch(name: &str) -> PathBuf {
    let directory = std::env::temp_dir().join(format!("tindra-packs-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&directory);
    directory
}

#[test]
fn runtimes_sort_by_number() {
    let mut names = ["python3.12", "nodejs20.x", "python3.9", "provided.al2023", "nodejs8.x"];
    names.sort_by_key(|name| version_key(name));
    assert_eq!(names, ["nodejs8.x", "nodejs20.x", "provided.al2023", "python3.9", "python3.12"]);
}

#[tokio::test]
async fn a_version_that_is_not_here_is_refused_with_the_command_that_helps() {
    let directory = scratch("missing");
    let packs = Packs::open(directory.clone()).expect("a directory");
    let error = packs.ensure(&Runtime::parse("python3.99"), &Silent).await.expect_err("no such Python");
    assert!(matches!(error, PackError::NoInterpreter { .. }), "{error}");
    assert!(error.to_string().contains("tindra runtime install python3.99 --from-host PATH"), "{error}");
    let error = packs
        .install_from_host(&Runtime::parse("python3.99"), Path::new("/bin/sh"), &Silent)
        .await
        .expect_err("a shell is no Python");
    assert!(matches!(error, PackError::WrongVersion { .. }), "{error}");
    let error = packs.ensure(&Runtime::parse("ruby3.4"), &Silent).await.expect_err("not run here");
    assert!(matches!(error, PackError::Unsupported { .. }), "{error}");
    drop(packs);
    let left: Vec<_> = std::fs::read_dir(&directory)
        .expect("there")
        .flatten()
        .map(|entry| entry.file_name().into_string().expect("text"))
        .filter(|name| !name.ends_with(".lock"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let _ = std::fs::remove_dir_all(directory);
}

#[tokio::test]
async fn the_base_system_is_made_once_and_found_again() {
    let directory = scratch("provided");
    let runtime = Runtime::parse("provided.al2023");
    let packs = Arc::new(Packs::open(directory.clone()).expect("a directory"));
    let (one, other) = tokio::join!(packs.ensure(&runtime, &Silent), packs.ensure(&runtime, &Silent));
    let (one, other) = (one.expect("made"), other.expect("made"));
    assert!(Arc::ptr_eq(&one, &other), "made once");
    for path in [
        "etc/passwd",
        "etc/resolv.conf",
        "bin/sh",
        "usr/lib64/libc.so.6",
        "usr/lib64/libstdc++.so.6",
        "var/task",
        "opt",
        "tmp",
        "proc",
        "dev",
    ] {
        assert!(one.root.join(path).exists(), "{path}");
    }
    assert!(!one.root.join("etc/shadow").exists() && !one.root.join("etc/hostname").exists());
    drop(packs);
    std::fs::create_dir_all(directory.join(".making-provided.al2023/etc")).expect("a leftover");
    // A child that another test starts holds copies of our descriptors, the lock's too, until it executes.
    let is_swept = (0..10_000).any(|_| {
        let again = Packs::open(directory.clone()).expect("the same directory");
        assert_eq!(again.get(&runtime).expect("still there"), one);
        !directory.join(".making-provided.al2023").exists()
    });
    assert!(is_swept);
    let _ = std::fs::remove_dir_all(directory);
}

#[tokio::test]
async fn what_starts_a_custom_runtime_is_its_bootstrap() {
    use std::os::unix::fs::PermissionsExt;
    let task = scratch("entrypoint");
    let opt = task.join("opt");
    std::fs::create_dir_all(&opt).expect("a directory");
    let pack = Pack {
        runtime: "provided.al2023".to_owned(),
        family: Family::Provided,
        root: PathBuf::new(),
        command: Vec::new(),
        environment: Vec::new(),
        version: String::new(),
        version_arn: String::new(),
    };
    assert_eq!(pack.command_for(&task, Some(&opt), 128, None), Err(EntrypointError::Missing));
    std::fs::write(task.join("bootstrap"), "#!/bin/sh\n").expect("written");
    let refused = pack.command_for(&task, None, 128, None).expect_err("not executable");
    assert_eq!(refused.to_string(), "fork/exec /var/task/bootstrap: permission denied");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::write(opt.join("bootstrap"), "#!/bin/sh\n").expect("written");
    std::fs::set_permissions(opt.join("bootstrap"), executable.clone()).expect("set");
    assert_eq!(pack.command_for(&task, Some(&opt), 128, None), Ok(vec!["/opt/bootstrap".to_owned()]));
    std::fs::set_permissions(task.join("bootstrap"), executable).expect("set");
    assert_eq!(pack.command_for(&task, Some(&opt), 128, None), Ok(vec!["/var/task/bootstrap".to_owned()]));
    let node = Pack { family: Family::Node, command: vec!["node".to_owned(), "index.mjs".to_owned()], ..pack };
    let command = node.command_for(&task, None, 1000, None).expect("always");
    assert_eq!(command, ["node", "--max-semi-space-size=50", "--max-old-space-size=900", "index.mjs"]);
    let _ = std::fs::remove_dir_all(task);
}

#[test]
fn javas_heap_leaves_room_for_the_virtual_machine() {
    let words = ["/var/lang/bin/java", "-cp", "jars", "tindra.Start"];
    let pack = Pack {
        runtime: "java17".to_owned(),
        family: Family::Java,
        root: PathBuf::new(),
        command: words.map(str::to_owned).into(),
        environment: Vec::new(),
        version: String::new(),
        version_arn: String::new(),
    };
    let options =
        |memory_mb| pack.command_for(Path::new("/none"), None, memory_mb, None).expect("always")[1..3].to_vec();
    assert_eq!(options(128), ["-XX:MaxHeapSize=76m", "-XX:InitialHeapSize=8m"]);
    assert_eq!(options(512), ["-XX:MaxHeapSize=435m", "-XX:InitialHeapSize=8m"]);
    assert_eq!(options(10_240), ["-XX:MaxHeapSize=8704m", "-XX:InitialHeapSize=160m"]);
    let spare = pack.spare_command(512).expect("there is one");
    assert_eq!(spare[..2], ["/bin/sh", "-c"]);
    assert_eq!(spare[3..5], ["/var/lang/bin/java", "-XX:MaxHeapSize=435m"]);
    assert_eq!(spare.last().map(String::as_str), Some("tindra.Spare"));
    let official =
        Pack { command: ["/bin/sh", "-c", "…", "/var/lang/bin/java", "AWSLambda"].map(str::to_owned).into(), ..pack };
    assert_eq!(official.command_for(Path::new("/none"), None, 512, None).expect("always")[4], "-XX:MaxHeapSize=435m");
    assert_eq!(official.spare_command(512), None);
}

#[tokio::test]
#[ignore = "makes real packs; see the head of this file"]
async fn real_packs() {
    let directory = std::env::var_os("TINDRA_TEST_PACKS").map_or_else(|| scratch("real"), PathBuf::from);
    let packs = Packs::open(directory).expect("a directory");
    for status in packs.list() {
        println!(
            "{:16} {:?}",
            status.runtime,
            status.interpreters.iter().map(|i| (&i.version, &i.path)).collect::<Vec<_>>()
        );
    }
    let names = std::env::var("TINDRA_TEST_RUNTIMES").unwrap_or_else(|_| "python3.12 nodejs20.x".to_owned());
    for name in names.split(' ') {
        let start = std::time::Instant::now();
        let (name, interpreter) = name.split_once('=').unwrap_or((name, ""));
        let runtime = Runtime::parse(name);
        let pack = match interpreter {
            "" => packs.ensure(&runtime, &Printed).await,
            path => packs.install_from_host(&runtime, Path::new(path), &Printed).await,
        };
        println!("{name}: {:?} {:#?}", start.elapsed(), pack.unwrap_or_else(|error| panic!("{error}")));
    }
}
