//! Turns a plain [`Spec`] into a confined Linux process tree and back.
//!
//! A small single-threaded launcher process, started before any thread, does all namespace work on request;
//! the server only ever talks to it through [`Launcher`]. This is the only crate with unsafe code. It knows
//! nothing of Lambda, HTTP, tokio or the store.

mod spec;

pub use spec::{Limits, Mount, Spec};
