//! Makes a pack from beginning to end: find the interpreter, write the tree, seal it, put it in place.

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};
use tindra_core::function::Architecture;
use tindra_core::runtime::{Family, Runtime};

use super::libraries::Libraries;
use super::manifest::{self, Manifest};
use super::tree::Tree;
use super::{PackError, Progress, clients, host, java, native, node, python, userland};

/// Raise it when the making changes in a way that the sources below do not show.
const FORMAT: u32 = 2;

/// What a family adds to the common base.
pub(super) struct Language {
    pub(super) version: String,
    pub(super) shown_version: String,
    pub(super) command: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) clients: Vec<String>,
    pub(super) source: String,
}

/// Names everything of ours that goes into the pack of a runtime.
pub(super) fn recipe(runtime: &str) -> String {
    let parsed = Runtime::parse(runtime);
    let mut hash = Sha256::new();
    hash.update(FORMAT.to_le_bytes());
    let versions = match parsed.family() {
        Family::Python => {
            python::SOURCES.iter().for_each(|source| hash.update(source.1));
            let minor = parsed.language_version().trim_start_matches("3.").parse().unwrap_or(0);
            clients::for_python(minor).map(|clients| format!("{} {}", clients.awslambdaric, clients.boto3))
        }
        Family::Node => {
            node::SOURCES.iter().for_each(|source| hash.update(source.1));
            let major = parsed.language_version().parse().unwrap_or(0);
            clients::for_node(major)
                .map(|clients| format!("{} {:?} {}", clients.aws_lambda_ric, clients.of_several, clients.sdk))
        }
        Family::Java => {
            java::SOURCES.iter().for_each(|source| hash.update(source.1));
            hash.update(native::library(native::Machine::host()));
            Some(clients::JAVA.map(|jar| jar.version).join(" "))
        }
        Family::Provided | Family::Unsupported => None,
    };
    hash.update(versions.unwrap_or_default());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Makes the pack of a runtime and puts it in place of the one before. The caller holds the runtime's lock.
pub(super) fn make(
    directory: &Path,
    runtime: &Runtime,
    interpreter: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Manifest, PackError> {
    let building = directory.join(format!(".making-{}", runtime.name()));
    remove(&building)?;
    let made = build(&building, runtime, interpreter, progress);
    let manifest = made.and_then(|manifest| {
        let target = directory.join(&manifest.directory);
        // The name contains the digest: what is there already is the same tree.
        if !target.is_dir() {
            fs::rename(&building, &target).map_err(|source| PackError::io("rename to", &target, source))?;
        }
        manifest::write(directory, &manifest)?;
        Ok(manifest)
    });
    let cleaned = remove(&building);
    let manifest = manifest?;
    cleaned?;
    Ok(manifest)
}

fn build(
    building: &Path,
    runtime: &Runtime,
    interpreter: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Manifest, PackError> {
    progress.step("look for the interpreter", 0.0);
    let interpreter = match runtime.family() {
        Family::Provided => None,
        _ => Some(host::find(runtime, interpreter)?),
    };
    let tree = Tree::new(building.to_owned())?;
    let mut libraries = Libraries::new(&tree);
    progress.step("copy the base system", 0.05);
    userland::write(&tree, &mut libraries)?;
    let language = match (runtime.family(), &interpreter) {
        (Family::Python, Some(interpreter)) => python::write(&tree, &mut libraries, interpreter, progress)?,
        (Family::Node, Some(interpreter)) => node::write(&tree, &mut libraries, interpreter, progress)?,
        (Family::Java, Some(interpreter)) => java::write(&tree, &mut libraries, interpreter, progress)?,
        _ => provided(runtime),
    };
    progress.step("seal", 0.95);
    let sealed = tree.seal()?;
    Ok(Manifest {
        runtime: runtime.name().to_owned(),
        version: language.version,
        shown_version: language.shown_version,
        architecture: Architecture::host().as_str().to_owned(),
        command: language.command,
        environment: base_environment().into_iter().chain(language.environment).collect(),
        clients: language.clients,
        source: language.source,
        directory: format!("{}-{}", runtime.name(), &sealed.digest[..16]),
        digest: sealed.digest,
        size_bytes: sealed.size_bytes,
        recipe: recipe(runtime.name()),
    })
}

fn provided(runtime: &Runtime) -> Language {
    Language {
        version: String::new(),
        shown_version: runtime.name().replacen('.', ":", 1),
        command: Vec::new(),
        environment: Vec::new(),
        clients: Vec::new(),
        source: "the host's base system".to_owned(),
    }
}

/// The variables that AWS sets in every runtime (developer guide, "Defined runtime environment variables").
fn base_environment() -> Vec<(String, String)> {
    [
        ("LANG", "en_US.UTF-8"),
        ("TZ", ":UTC"),
        ("PATH", "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
        (
            "LD_LIBRARY_PATH",
            "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
        ),
        ("SSL_CERT_FILE", userland::CERTIFICATES_INSIDE),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn remove(path: &Path) -> Result<(), PackError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(PackError::io("remove", path, source)),
        _ => Ok(()),
    }
}
