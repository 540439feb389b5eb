//! Finds the interpreters of this machine and asks each what it is.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use tindra_core::runtime::{Family, Runtime};

use super::{PackError, shell};

/// An interpreter found on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostInterpreter {
    /// The `Runtime` value that it can serve.
    pub runtime: String,
    /// Full version, for example `3.12.1`.
    pub version: String,
    /// The program, with symbolic links resolved.
    pub path: PathBuf,
    /// What it says about itself.
    pub(super) facts: Facts,
}

/// What making a pack needs to know of an interpreter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Facts {
    pub(super) version: String,
    /// The program itself (`sys.executable`, `process.execPath`, `bin/java`).
    pub(super) executable: PathBuf,
    /// Python: the directory of the standard library.
    #[serde(default)]
    pub(super) stdlib: PathBuf,
    /// Python: where the compiled extensions are (`lib-dynload`), when not below `stdlib`.
    #[serde(default)]
    pub(super) dynload: Option<PathBuf>,
    /// Python: name of the implementation; Node: `node`; Java: the vendor.
    pub(super) implementation: String,
    /// Node: script files that the binary reads at start (Debian's build keeps some outside).
    #[serde(default)]
    pub(super) builtins: Vec<PathBuf>,
    /// Java: `java.home`.
    #[serde(default)]
    pub(super) home: PathBuf,
}

const ASK_PYTHON: &str = "\
import json, os, platform, sys, sysconfig
stdlib = sysconfig.get_path('stdlib')
dynload = [p for p in sys.path if os.path.basename(p) == 'lib-dynload']
print(json.dumps(dict(version=platform.python_version(), executable=os.path.realpath(sys.executable),
    stdlib=stdlib, dynload=dynload[0] if dynload else None, implementation=platform.python_implementation())))";

const ASK_NODE: &str = "\
JSON.stringify({version: process.versions.node, executable: process.execPath, implementation: process.release.name,
    builtins: Object.values(process.config.variables).flat().filter(v => typeof v === 'string' && /^\\/.*\\.m?js$/.test(v))})";

/// Every usable interpreter, the newest of each runtime first.
pub(super) fn discover() -> Vec<HostInterpreter> {
    // Several names often lead to one program; and some "programs" are scripts that start another one.
    let (mut asked, mut named) = (HashSet::new(), HashSet::new());
    let mut found: Vec<HostInterpreter> = Vec::new();
    for (path, family) in candidates() {
        let Ok(path) = path.canonicalize() else { continue };
        if asked.insert(path.clone())
            && let Some(interpreter) = inspect(&path, family)
            && named.insert(interpreter.path.clone())
        {
            found.push(interpreter);
        }
    }
    found.sort_by_key(|interpreter| std::cmp::Reverse(number_key(&interpreter.version)));
    found
}

/// The interpreter for a runtime: the one named, else the newest found of exactly that version.
pub(super) fn find(runtime: &Runtime, named: Option<&Path>) -> Result<HostInterpreter, PackError> {
    let needed = language(runtime);
    let missing = || PackError::NoInterpreter { runtime: runtime.name().to_owned(), language: needed.clone() };
    let Some(path) = named else {
        return candidates_for(runtime)
            .into_iter()
            .filter_map(|path| inspect(&path, runtime.family()))
            .filter(|interpreter| serves(interpreter, runtime))
            .max_by_key(|interpreter| number_key(&interpreter.version))
            .ok_or_else(missing);
    };
    let wrong = |found: String| PackError::WrongVersion {
        runtime: runtime.name().to_owned(),
        path: path.to_owned(),
        found,
        needed: needed.clone(),
    };
    let interpreter = inspect(path, runtime.family()).ok_or_else(|| wrong("not a usable interpreter".to_owned()))?;
    if !serves(&interpreter, runtime) {
        return Err(wrong(format!("version {}", interpreter.version)));
    }
    Ok(interpreter)
}

/// One Java serves every runtime of its release, such as `java17` and `java17.al2023`.
fn serves(interpreter: &HostInterpreter, runtime: &Runtime) -> bool {
    let own = Runtime::parse(&interpreter.runtime);
    (own.family(), own.language_version()) == (runtime.family(), runtime.language_version())
}

/// `Python 3.12`, `Node.js 22` or `Java 17`.
pub(super) fn language(runtime: &Runtime) -> String {
    let name = match runtime.family() {
        Family::Node => "Node.js",
        Family::Java => "Java",
        _ => "Python",
    };
    format!("{name} {}", runtime.language_version())
}

fn candidates_for(runtime: &Runtime) -> Vec<PathBuf> {
    let mut seen = HashSet::new();
    let program = format!("python{}", runtime.language_version());
    candidates()
        .into_iter()
        .filter(|(path, family)| *family == runtime.family() && (*family != Family::Python || path.ends_with(&program)))
        .filter_map(|(path, _)| path.canonicalize().ok())
        .filter(|path| seen.insert(path.clone()))
        .collect()
}

/// Programs with the right name in every directory where interpreters are kept.
fn candidates() -> Vec<(PathBuf, Family)> {
    let mut found = Vec::new();
    for directory in directories() {
        for entry in std::fs::read_dir(&directory).into_iter().flatten().flatten() {
            let name = entry.file_name();
            match name.to_str() {
                Some("node" | "nodejs") => found.push((entry.path(), Family::Node)),
                Some("java") => found.push((entry.path(), Family::Java)),
                Some(name) if is_python(name) => found.push((entry.path(), Family::Python)),
                _ => {}
            }
        }
    }
    found
}

/// `python3.N`, and not `python3.12-config` or `python3`.
fn is_python(name: &str) -> bool {
    name.strip_prefix("python3.").is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
}

fn directories() -> Vec<PathBuf> {
    let mut directories: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    // The scripts of version managers choose by directory; the real programs are looked at below.
    directories.retain(|directory| directory.is_absolute() && !directory.ends_with("shims"));
    directories.extend(["/usr/local/bin", "/usr/bin", "/bin"].map(PathBuf::from));
    directories.extend(below("/opt", "bin"));
    directories.extend(std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin")));
    for versions in ["/usr/lib/jvm", "/usr/java"] {
        directories.extend(below(versions, "bin"));
    }
    if let Some(home) = std::env::home_dir() {
        for (versions, bin) in [
            (".pyenv/versions", "bin"),
            (".nvm/versions/node", "bin"),
            (".asdf/installs/python", "bin"),
            (".asdf/installs/nodejs", "bin"),
            (".asdf/installs/java", "bin"),
            (".sdkman/candidates/java", "bin"),
            (".jdks", "bin"),
            (".local/share/uv/python", "bin"),
            (".local/share/mise/installs/python", "bin"),
            (".local/share/mise/installs/node", "bin"),
            (".local/share/mise/installs/java", "bin"),
            (".volta/tools/image/node", "bin"),
            (".local/share/fnm/node-versions", "installation/bin"),
        ] {
            directories.extend(below(home.join(versions), bin));
        }
    }
    directories
}

fn below(directory: impl AsRef<Path>, suffix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join(suffix)).filter(|path| path.is_dir()).collect()
}

fn inspect(path: &Path, family: Family) -> Option<HostInterpreter> {
    let answer = match family {
        Family::Python => shell::probe(path, &["-I", "-c", ASK_PYTHON])?,
        Family::Node => shell::probe(path, &["-p", ASK_NODE])?,
        Family::Java => return inspect_java(path),
        Family::Provided | Family::Unsupported => return None,
    };
    let facts: Facts = serde_json::from_str(&answer).ok()?;
    let mut numbers = facts.version.split('.');
    let (major, minor) = (numbers.next()?, numbers.next()?);
    let runtime = match (family, facts.implementation.as_str()) {
        (Family::Python, "CPython") => format!("python{major}.{minor}"),
        (Family::Node, "node") => format!("nodejs{major}.x"),
        _ => return None,
    };
    Some(HostInterpreter { runtime, version: facts.version.clone(), path: facts.executable.clone(), facts })
}

/// Java says what it is in lines such as `java.version = 17.0.15`, in 8 as `1.8.0_392`.
fn inspect_java(path: &Path) -> Option<HostInterpreter> {
    let answer = shell::probe_error_output(path, &["-XshowSettings:properties", "-version"])?;
    let property = |name: &str| {
        answer.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(" = ").map(str::to_owned))
    };
    let version = property("java.version")?;
    let release = property("java.specification.version")?;
    let runtime = match release.strip_prefix("1.").unwrap_or(&release) {
        "8" => "java8.al2".to_owned(),
        release => format!("java{release}"),
    };
    let home = PathBuf::from(property("java.home")?);
    let facts = Facts {
        version: version.clone(),
        executable: home.join("bin/java"),
        implementation: property("java.vendor").unwrap_or_default(),
        home,
        ..Facts::default()
    };
    Some(HostInterpreter { runtime, version, path: path.to_owned(), facts })
}

fn number_key(version: &str) -> Vec<u32> {
    version.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}
