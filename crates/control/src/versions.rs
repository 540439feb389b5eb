//! Published versions: immutable copies of `$LATEST`, with numbers that are never given twice.

mod list_versions;
mod number;
mod publish_version;

pub(crate) use number::Numbered;
