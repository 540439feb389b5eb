//! The Java pack: a Java virtual machine, AWS's runtime client with our transport, an archive of their classes.
//!
//! Our classes are compiled here, with the machine's own `javac`. The archive holds the client's classes as the
//! virtual machine has them in memory; it is mapped at start instead of reading, checking and linking them anew.
//! The virtual machine uses it only when the class path is the same text as when it was written, and the jars
//! have the same times and sizes; the paths are therefore relative to `/var/task`, where functions start.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::host::{self, HostInterpreter};
use super::libraries::Libraries;
use super::maker::Language;
use super::native::{self, Machine};
use super::tree::Tree;
use super::{PackError, Progress, clients, shell};

/// Our sources, compiled into a jar in `/var/runtime/lib` when the pack is made.
pub(super) const SOURCES: &[(&str, &str)] = &[
    ("NativeClient.java", include_str!("../../../../runtimes/java/NativeClient.java")),
    ("Start.java", include_str!("../../../../runtimes/java/Start.java")),
    ("Spare.java", include_str!("../../../../runtimes/java/Spare.java")),
    ("Warmth.java", include_str!("../../../../runtimes/java/Warmth.java")),
    ("Native.java", include_str!("../../../../runtimes/java/Native.java")),
    ("Environment.java", include_str!("../../../../runtimes/java/Environment.java")),
    ("Training.java", include_str!("../../../../runtimes/java/Training.java")),
    ("Sample.java", include_str!("../../../../runtimes/java/Sample.java")),
];

const PROGRAM: &str = "/var/lang/bin/java";
const JARS: &str = "/var/runtime/lib";
/// The same from `/var/task`.
const RELATIVE_JARS: &str = "../runtime/lib";
const OUR_JAR: &str = "tindra.jar";
const ARCHIVE: &str = "/var/runtime/lib/classes.jsa";
const MAIN: &str = "tindra.Start";
const SPARE_MAIN: &str = "tindra.Spare";
const OFFICIAL_MAIN: &str = "com.amazonaws.services.lambda.runtime.api.client.AWSLambda";

/// One thread collects garbage and one compiler makes code quickly, as on AWS; nothing is left in `/tmp`.
const OPTIONS: &[&str] =
    &["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Djava.net.preferIPv4Stack=true"];
/// The client makes a descriptor of a number for its log records, as on AWS.
const OPENED: &str = "--add-opens=java.base/java.io=ALL-UNNAMED";
/// Later releases warn in every log when libraries bring native code (the client's own transport, a spare).
const NATIVE_ACCESS: &str = "--enable-native-access=ALL-UNNAMED";
const NATIVE_ACCESS_RELEASE_MIN: u32 = 22;
/// The training run replaces its own environment.
const OPENED_FOR_TRAINING: &str = "--add-opens=java.base/java.lang=ALL-UNNAMED";
/// With which a spare changes its directory and environment.
const LIBRARY: &str = "/var/runtime/lib/libtindra.so";
/// Older ones lack archives of applications' classes, and calls that our classes make.
const RELEASE_MIN: u32 = 11;

/// Parts of a JDK that no function can use, or that need a display or a sound card.
const LEFT_OUT: &[&str] = &[
    "src.zip",
    "ct.sym",
    "jexec",
    "jar.binfmt",
    "jfr",
    "libatk-wrapper.so",
    "libawt_xawt.so",
    "libjawt.so",
    "libjsound.so",
    "libsplashscreen.so",
    "libsaproc.so",
];

pub(super) fn write(
    tree: &Tree,
    libraries: &mut Libraries<'_>,
    interpreter: &HostInterpreter,
    progress: &dyn Progress,
) -> Result<Language, PackError> {
    let release = release(interpreter);
    if release < RELEASE_MIN {
        return Err(PackError::Unsupported { runtime: interpreter.runtime.clone() });
    }
    progress.step("copy the virtual machine", 0.15);
    copy_machine(tree, libraries, interpreter)?;

    progress.step("fetch AWS's client", 0.4);
    let scratch = tree.directory("/.install")?;
    clients::install_java(interpreter, &scratch, &tree.directory(JARS)?)?;

    progress.step("compile the transport", 0.7);
    let has_ours = compile(tree, &scratch, interpreter)?;
    std::fs::remove_dir_all(&scratch).map_err(|source| PackError::io("remove", &scratch, source))?;

    let mut command = options(release);
    if has_ours {
        tree.write(LIBRARY, native::library(Machine::host()))?;
        progress.step("archive classes", 0.8);
        if archive(tree, &command) {
            command.push(format!("-XX:SharedArchiveFile={ARCHIVE}"));
            command.extend(QUIET_ARCHIVE.iter().map(|&option| option.to_owned()));
        }
        command.extend(["-cp".to_owned(), class_path(RELATIVE_JARS, true), MAIN.to_owned()]);
    } else {
        command.extend(["-cp".to_owned(), class_path(JARS, false), OFFICIAL_MAIN.to_owned()]);
        // The client takes the handler's name as its argument.
        let shell = ["/bin/sh", "-c", "exec \"$0\" \"$@\" \"$_HANDLER\""].map(str::to_owned);
        command.splice(0..0, shell);
    }
    Ok(Language {
        shown_version: format!("java:{}", interpreter.version),
        version: interpreter.version.clone(),
        command,
        environment: Vec::new(),
        clients: clients::JAVA[..3].iter().map(|jar| format!("{} {}", jar.artifact, jar.version)).collect(),
        source: interpreter.path.display().to_string(),
    })
}

/// 17 of a `java17`.
fn release(interpreter: &HostInterpreter) -> u32 {
    let runtime = tindra_core::runtime::Runtime::parse(&interpreter.runtime);
    runtime.language_version().parse().unwrap_or(0)
}

fn options(release: u32) -> Vec<String> {
    let native = (release >= NATIVE_ACCESS_RELEASE_MIN).then_some(NATIVE_ACCESS);
    let all = [PROGRAM].into_iter().chain(OPTIONS.iter().copied()).chain([OPENED]).chain(native);
    all.map(str::to_owned).collect()
}

fn class_path(directory: &str, with_ours: bool) -> String {
    let ours = with_ours.then(|| OUR_JAR.to_owned());
    let jars = ours.into_iter().chain(clients::JAVA.iter().map(clients::Jar::file_name));
    jars.map(|jar| format!("{directory}/{jar}")).collect::<Vec<_>>().join(":")
}

/// `java.home` becomes `/var/lang`. Distributions keep configuration and certificates elsewhere and link to
/// them; what the links lead to is copied.
fn copy_machine(tree: &Tree, libraries: &mut Libraries<'_>, interpreter: &HostInterpreter) -> Result<(), PackError> {
    let home = &interpreter.facts.home;
    tree.copy_file(&home.join("bin/java"), PROGRAM)?;
    libraries.add_needs_of(&home.join("bin/java"))?;
    if home.join("release").is_file() {
        tree.copy_file(&home.join("release"), "/var/lang/release")?;
    }
    let wanted = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        !LEFT_OUT.contains(&name) && !name.ends_with(".debuginfo") && !name.ends_with(".diz")
    };
    for directory in ["lib", "conf"] {
        if home.join(directory).is_dir() {
            tree.copy_directory(&home.join(directory), &format!("/var/lang/{directory}"), &wanted)?;
        }
    }
    for directory in ["lib", "lib/server", "lib/amd64", "lib/amd64/server"] {
        for entry in std::fs::read_dir(home.join(directory)).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_library = path.extension().is_some_and(|extension| extension == "so");
            if wanted(&path) && (is_library || path.ends_with("jspawnhelper")) {
                libraries.add_needs_of(&path)?;
            }
        }
    }
    Ok(())
}

/// Compiles our classes and packs them. False, with a warning, when this machine has no compiler that can.
fn compile(tree: &Tree, scratch: &Path, interpreter: &HostInterpreter) -> Result<bool, PackError> {
    let Some(compiler) = find_compiler(interpreter) else {
        tracing::warn!(
            runtime = interpreter.runtime,
            "no JDK with javac for this Java was found; the runtime pack uses AWS's own transport and no archive of classes, \
             which makes functions slower: install a JDK and run: tindra runtime install {} --from-host {}",
            interpreter.runtime,
            interpreter.path.display()
        );
        return Ok(false);
    };
    let hint = "the runtime is made with the javac and jar of the JDK";
    let classes = scratch.join("classes");
    // Texts put together by plain code: the other way is made at run time, which takes 10 ms at the first one.
    let mut arguments: Vec<OsString> =
        ["-nowarn", "-XDstringConcat=inline", "-encoding", "UTF-8", "-d"].map(OsString::from).into();
    arguments.push(classes.clone().into_os_string());
    arguments.extend(["-cp".into(), class_path(&tree.outside(JARS).to_string_lossy(), false).into()]);
    if !compiler.is_same {
        arguments.extend(["--release".into(), release(interpreter).to_string().into()]);
    }
    for (name, content) in SOURCES {
        let path = scratch.join(name);
        std::fs::write(&path, content).map_err(|source| PackError::io("write", &path, source))?;
        arguments.push(path.into_os_string());
    }
    std::fs::create_dir_all(&classes).map_err(|source| PackError::io("make", &classes, source))?;
    shell::run(&compiler.bin.join("javac"), &arguments, scratch, "compile the Java transport", hint)?;
    let jar = tree.outside(&format!("{JARS}/{OUR_JAR}"));
    let arguments: Vec<OsString> = vec!["cf".into(), jar.into(), "-C".into(), classes.into(), ".".into()];
    shell::run(&compiler.bin.join("jar"), &arguments, scratch, "pack the Java transport", hint)?;
    Ok(true)
}

struct Compiler {
    bin: PathBuf,
    is_same: bool,
}

/// The JDK's own, else that of a later JDK of this machine.
fn find_compiler(interpreter: &HostInterpreter) -> Option<Compiler> {
    let has_tools = |bin: &Path| bin.join("javac").is_file() && bin.join("jar").is_file();
    let own = interpreter.facts.home.join("bin");
    if has_tools(&own) {
        return Some(Compiler { bin: own, is_same: true });
    }
    host::discover()
        .into_iter()
        .filter(|other| other.runtime.starts_with("java") && release(other) > release(interpreter))
        .map(|other| other.facts.home.join("bin"))
        .find(|bin| has_tools(bin))
        .map(|bin| Compiler { bin, is_same: false })
}

/// An archive that does not fit is not worth a line in every function's log.
const QUIET_ARCHIVE: &[&str] = &["-Xshare:auto", "-Xlog:cds=off", "-Xlog:class+path=off"];

/// Lists the classes that a run of the client loads, then writes them. False, with a warning, when that fails:
/// functions start without, only slower.
fn archive(tree: &Tree, command: &[String]) -> bool {
    let list = tree.outside("/.classes");
    let paths = class_path(RELATIVE_JARS, true);
    let run = |more: &[String], attempt: &str| {
        let mut arguments = command[1..].to_vec();
        arguments.extend(["-Xmx256m".to_owned(), "-cp".to_owned(), paths.clone()]);
        arguments.extend_from_slice(more);
        let task = tree.directory("/var/task")?;
        shell::run(&tree.outside(PROGRAM), &arguments, &task, attempt, "none")
    };
    let listed = run(
        &[
            OPENED_FOR_TRAINING.to_owned(),
            format!("-XX:DumpLoadedClassList={}", list.display()),
            "tindra.Training".to_owned(),
        ],
        "list the classes of the Java client",
    );
    let archived = listed.and_then(|()| {
        run(
            &[
                "-Xshare:dump".to_owned(),
                format!("-XX:SharedClassListFile={}", list.display()),
                format!("-XX:SharedArchiveFile={}", tree.outside(ARCHIVE).display()),
            ],
            "archive the classes of the Java client",
        )
    });
    let _ = std::fs::remove_file(&list);
    match archived {
        Ok(()) => true,
        Err(error) => {
            tracing::warn!(%error, "the Java runtime starts without an archive of classes, which takes longer");
            let _ = std::fs::remove_file(tree.outside(ARCHIVE));
            false
        }
    }
}

/// What the virtual machine needs besides the heap: its own code, compiled code, stacks, classes, buffers.
const BESIDES_HEAP_MB: u32 = 52;

/// The virtual machine cannot see the sandbox's memory limit. AWS gives the heap 85 percent of the memory; what
/// is left must suffice for the rest, so that a full heap is an `OutOfMemoryError` and not a killed process.
pub(super) fn with_heap(command: &[String], memory_mb: u32) -> Vec<String> {
    let heap_mb = (memory_mb * 85 / 100).min(memory_mb.saturating_sub(BESIDES_HEAP_MB)).max(16);
    let mut command = command.to_vec();
    let at = command.iter().position(|word| word == PROGRAM).map_or(0, |at| at + 1);
    // A small first heap, because a big one is filled before garbage is collected for the first time.
    let first_mb = (memory_mb / 64).clamp(8, heap_mb);
    command.splice(at..at, [format!("-XX:MaxHeapSize={heap_mb}m"), format!("-XX:InitialHeapSize={first_mb}m")]);
    command
}

/// A spare waits in the directory where the code will lie, because the class path is relative to it. `None` for a
/// pack without our classes.
pub(super) fn spare_command(command: &[String], memory_mb: u32) -> Option<Vec<String>> {
    let (main, options) = command.split_last()?;
    if main != MAIN {
        return None;
    }
    let mut spare = ["/bin/sh", "-c", "cd /var/task && exec \"$0\" \"$@\""].map(str::to_owned).to_vec();
    spare.extend(with_heap(options, memory_mb));
    spare.push(SPARE_MAIN.to_owned());
    Some(spare)
}
