//! Functions recognised by their files.

use std::path::Path;

use anyhow::{Context as _, Result};

use super::{EVENT, Event, Function, RuntimeChoice};

/// A language with runtimes of several versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    /// `python3.x`.
    Python,
    /// `nodejs*.x`.
    Node,
}

impl Language {
    /// The `Runtime` values that the Lambda API knows, newest first.
    pub(crate) fn runtimes(self) -> &'static [&'static str] {
        match self {
            Self::Python => {
                &["python3.14", "python3.13", "python3.12", "python3.11", "python3.10", "python3.9", "python3.8"]
            }
            Self::Node => &["nodejs24.x", "nodejs22.x", "nodejs20.x", "nodejs18.x"],
        }
    }

    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Python => "Python",
            Self::Node => "Node.js",
        }
    }
}

/// A file that makes a folder a function.
#[derive(Debug)]
pub(super) struct EntryFile {
    pub(super) name: &'static str,
    handler: &'static str,
    language: Option<Language>,
}

/// The well-known files; the first one that is there counts.
pub(super) const FILES: [EntryFile; 5] = [
    EntryFile { name: "bootstrap", handler: "bootstrap", language: None },
    EntryFile { name: "app.py", handler: "app.handler", language: Some(Language::Python) },
    EntryFile {
        name: "lambda_function.py",
        handler: "lambda_function.lambda_handler",
        language: Some(Language::Python),
    },
    EntryFile { name: "index.mjs", handler: "index.handler", language: Some(Language::Node) },
    EntryFile { name: "index.js", handler: "index.handler", language: Some(Language::Node) },
];

/// Runtime of a folder with a `bootstrap`.
const PROVIDED: &str = "provided.al2023";
/// Folders that only hold what was built: the function is called like what is around them.
const BUILD_FOLDERS: [&str; 3] = ["build", "dist", "target"];

/// The function of a folder, if one of the files is there.
pub(super) fn function_in(folder: &Path) -> Result<Option<Function>> {
    let Some(entry) = entry_of(folder) else { return Ok(None) };
    let runtime = match entry.language {
        Some(language) => RuntimeChoice::Newest(language),
        None => RuntimeChoice::Exactly(PROVIDED.to_owned()),
    };
    Ok(Some(Function {
        name: name_of(folder)?,
        path: folder.to_owned(),
        runtime,
        handler: entry.handler.to_owned(),
        role: None,
        memory_mb: None,
        timeout_s: None,
        ephemeral_storage_mb: None,
        environment: Default::default(),
        event: event_of(folder),
        ignore: Vec::new(),
    }))
}

/// What the files of a folder, or a lone zip, say about it.
pub(super) fn entry_of(folder: &Path) -> Option<&'static EntryFile> {
    FILES.iter().find(|file| folder.join(file.name).is_file())
}

impl EntryFile {
    pub(super) fn handler(&self) -> &'static str {
        self.handler
    }

    pub(super) fn runtime(&self) -> RuntimeChoice {
        match self.language {
            Some(language) => RuntimeChoice::Newest(language),
            None => RuntimeChoice::Exactly(PROVIDED.to_owned()),
        }
    }
}

/// `event.json` in the folder, or beside a build folder.
pub(super) fn event_of(folder: &Path) -> Event {
    let beside = is_build_folder(folder).then(|| folder.parent()).flatten();
    [Some(folder), beside]
        .into_iter()
        .flatten()
        .map(|folder| folder.join(EVENT))
        .find(|path| path.is_file())
        .map_or(Event::Empty, Event::File)
}

fn is_build_folder(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| BUILD_FOLDERS.iter().any(|build| name == *build))
}

/// The folder's name, with what a function's name may not hold replaced.
fn name_of(folder: &Path) -> Result<String> {
    let named = if is_build_folder(folder) { folder.parent().unwrap_or(folder) } else { folder };
    let name = named.file_name().with_context(|| format!("failed to name a function after {}", folder.display()))?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    Ok(name.to_string_lossy().chars().map(|c| if allowed(c) { c } else { '-' }).take(64).collect())
}
