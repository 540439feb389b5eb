//! One file per command; each is a short list of steps.

pub(crate) mod delete;
pub(crate) mod deploy;
pub(crate) mod dev;
pub(crate) mod environments;
pub(crate) mod invoke;
pub(crate) mod list;
pub(crate) mod logs;
pub(crate) mod queue;
pub(crate) mod runtime;
pub(crate) mod serve;
pub(crate) mod sources;
pub(crate) mod status;
