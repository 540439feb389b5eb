//! Turns a plain [`Spec`] into a confined Linux process tree and back.
//!
//! A small single-threaded launcher process, started before any thread, does all namespace work on request;
//! the server only ever talks to it through [`Launcher`]. For each sandbox the launcher forks a monitor, which
//! makes process 1 of the sandbox, watches it and cleans up after it. This is the only crate with unsafe code.
//! It knows nothing of Lambda, HTTP, tokio or the store.
#![expect(unsafe_code, reason = "namespaces, mounts, privileges and fork have no safe interface")]

mod cgroup;
mod child;
mod error;
mod identity;
mod landlock_rules;
mod launcher;
mod layers;
mod monitor;
pub mod network;
mod pid_one;
mod privileges;
mod protocol;
mod sandbox;
mod seccomp;
mod seccomp_calls;
mod spec;
mod storage;

pub use error::SandboxError;
pub use identity::USER_INSIDE;
pub use launcher::{Launcher, LauncherOptions, Storage, run_if_launcher};
pub use layers::Layer;
pub use network::Network;
pub use sandbox::{Exit, Sandbox};
pub use spec::{Limits, Mount, Spec};
