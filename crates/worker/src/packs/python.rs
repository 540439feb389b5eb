//! The Python pack: interpreter, standard library, awslambdaric with our transport, boto3.
//!
//! Laid out as AWS's: `/var/lang` is the prefix, boto3 is in its site-packages, the client in `/var/runtime`.
//! Bytecode is compiled here, because the root is read-only and start time is what counts.

use std::path::Path;

use super::host::HostInterpreter;
use super::libraries::Libraries;
use super::maker::Language;
use super::tree::Tree;
use super::{PackError, Progress, clients, shell};

/// Our files in `/var/runtime`, compiled into the binary.
pub(super) const SOURCES: &[(&str, &str)] = &[
    ("/var/runtime/bootstrap.py", include_str!("../../../../runtimes/python/bootstrap.py")),
    ("/var/runtime/template.py", include_str!("../../../../runtimes/python/template.py")),
    ("/var/runtime/tindra_transport/runtime_client.py", include_str!("../../../../runtimes/python/runtime_client.py")),
];

/// Parts of the standard library that no function can use, or that are the host's own additions.
const LEFT_OUT: &[&str] = &[
    "site-packages",
    "dist-packages",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "turtledemo",
    "turtle.py",
    "ensurepip",
    "lib2to3",
    "pydoc_data",
    "__pycache__",
    "sitecustomize.py",
    "EXTERNALLY-MANAGED",
];

pub(super) fn write(
    tree: &Tree,
    libraries: &mut Libraries<'_>,
    interpreter: &HostInterpreter,
    progress: &dyn Progress,
) -> Result<Language, PackError> {
    let version = clients::minor_of(&interpreter.version);
    let number = version.trim_start_matches("3.").parse().unwrap_or(0);
    let Some(clients) = clients::for_python(number) else {
        return Err(PackError::Unsupported { runtime: interpreter.runtime.clone() });
    };
    progress.step("copy the interpreter", 0.15);
    let program = copy_interpreter(tree, libraries, interpreter, &version)?;

    progress.step("fetch AWS's client and boto3", 0.25);
    let runtime = tree.directory("/var/runtime")?;
    let packages = tree.directory(&format!("/var/lang/lib/python{version}/site-packages"))?;
    clients::install_python(interpreter, &clients, &runtime, &packages)?;
    for (path, content) in SOURCES {
        tree.write(path, content)?;
    }
    prune(&runtime)?;
    prune(&packages)?;

    progress.step("compile bytecode", 0.55);
    compile(
        interpreter,
        &tree.outside(&format!("/var/lang/lib/python{version}")),
        &format!("/var/lang/lib/python{version}"),
    )?;
    compile(interpreter, &runtime, "/var/runtime")?;
    Ok(Language {
        shown_version: format!("python:{}", interpreter.version),
        version: interpreter.version.clone(),
        command: vec![program, "/var/runtime/bootstrap.py".to_owned()],
        environment: Vec::new(),
        clients: vec![format!("awslambdaric {}", clients.awslambdaric), format!("boto3 {}", clients.boto3)],
        source: interpreter.path.display().to_string(),
    })
}

/// Returns the path of the program inside.
fn copy_interpreter(
    tree: &Tree,
    libraries: &mut Libraries<'_>,
    interpreter: &HostInterpreter,
    version: &str,
) -> Result<String, PackError> {
    let program = format!("/var/lang/bin/python{version}");
    tree.copy_file(&interpreter.facts.executable, &program)?;
    tree.link("/var/lang/bin/python3", &format!("python{version}"))?;
    tree.link("/var/lang/bin/python", &format!("python{version}"))?;
    libraries.add_needs_of(&interpreter.facts.executable)?;

    let inside = format!("/var/lang/lib/python{version}");
    tree.copy_directory(&interpreter.facts.stdlib, &inside, &is_wanted)?;
    let dynload = interpreter.facts.dynload.clone().unwrap_or_else(|| interpreter.facts.stdlib.join("lib-dynload"));
    if dynload.is_dir() && !dynload.starts_with(&interpreter.facts.stdlib) {
        tree.copy_directory(&dynload, &format!("{inside}/lib-dynload"), &is_wanted)?;
    }
    for entry in std::fs::read_dir(&dynload).into_iter().flatten().flatten() {
        libraries.add_needs_of(&entry.path())?;
    }
    Ok(program)
}

fn is_wanted(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_build = name.starts_with("config-") || name.ends_with(".a") || name.ends_with(".pyc");
    let is_test_extension = name.starts_with("_test") && name.ends_with(".so");
    let is_tk = name.starts_with("_tkinter");
    !(is_build || is_test_extension || is_tk || LEFT_OUT.contains(&name))
}

/// Drops what pip brings and nothing imports: scripts, test suites, bytecode of pip's own run.
fn prune(directory: &Path) -> Result<(), PackError> {
    for name in ["bin", "simplejson/tests", "__pycache__"] {
        let path = directory.join(name);
        if path.is_dir() {
            std::fs::remove_dir_all(&path).map_err(|source| PackError::io("remove", &path, source))?;
        }
    }
    Ok(())
}

/// Compiles with unchecked hashes: valid whatever the files' times are, and no look at the source at import.
fn compile(interpreter: &HostInterpreter, directory: &Path, inside: &str) -> Result<(), PackError> {
    let arguments: Vec<std::ffi::OsString> = vec![
        "-I".into(),
        "-m".into(),
        "compileall".into(),
        "-qq".into(),
        "-j".into(),
        "0".into(),
        "--invalidation-mode".into(),
        "unchecked-hash".into(),
        "-d".into(),
        inside.into(),
        directory.as_os_str().to_owned(),
    ];
    // Some files of the standard library and of test data are not meant to compile; that is no failure.
    let compiled = shell::run(&interpreter.path, &arguments, Path::new("/"), "compile bytecode", "none");
    if let Err(error) = compiled {
        tracing::debug!(%error, directory = %directory.display(), "some files did not compile");
    }
    Ok(())
}
