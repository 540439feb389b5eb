//! Turns a plain [`Spec`] into a confined Linux process tree and back.
//!
//! A small single-threaded launcher process, started before any thread, does all namespace work on request;
//! the server only ever talks to it through [`Launcher`]. This is the only crate with unsafe code. It knows
//! nothing of Lambda, HTTP, tokio or the store.
//!
//! Reading order: [`Launcher`] (the client), `launcher/process.rs` (the loop on the other side), `child.rs` (the
//! steps from clone to the sandbox), `command.rs` (the last confinement before exec), `pid_one.rs`. Slow things
//! (network namespaces, private `/tmp` images, removal) live in `launcher/maker.rs` and `launcher/remover.rs`.
//! `docs/design/sandbox.md` argues the choices.
#![expect(unsafe_code, reason = "namespaces, clone and exec have no safe interface; every block argues its case")]

mod cgroup;
mod child;
mod command;
mod confinement;
mod copy;
mod error;
mod filesystem;
mod fork_request;
mod identity;
mod landlock;
mod launcher;
mod layers;
pub mod network;
mod parked;
mod parking;
mod pid_one;
mod roots;
mod sandbox;
mod seccomp;
mod spec;
mod storage;
mod system;
mod template;

pub use copy::{Copy, Suitable, read_suitable};
pub use error::{SandboxError, Step};
pub use identity::USER_INSIDE;
pub use launcher::{Launcher, LauncherOptions, run_if_launcher};
pub use layers::Layer;
pub use network::{Network, Reach};
pub use parking::{Berth, PARKED_MAX, Parking, Slot, has_hung_up};
pub use sandbox::{Exit, Sandbox};
pub use spec::{Limits, Mount, Spec};
pub use storage::Storage;
pub use template::Template;
