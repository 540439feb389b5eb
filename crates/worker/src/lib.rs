//! The execution environments of one machine.
//!
//! [`Worker`] implements the invoke path's port: it takes an environment of the right generation from the pool,
//! or starts one, and delivers events to it. It knows deployments, sandboxes and the Runtime API; it knows
//! neither the wire formats of Lambda's API nor who calls it.

mod capacity;
pub mod code_cache;
mod environment;
mod gate;
mod habitat;
mod headroom;
mod inventory;
mod living;
mod log_book;
mod log_capture;
mod log_frames;
mod memory;
pub mod network;
pub mod packs;
mod place;
mod pool;
pub mod preparation;
mod readiness;
mod runtime_api;
mod snapshot;
pub mod snapshots;
mod spares;
mod sync;
mod worker;

pub use headroom::{EnvironmentCounts, Headroom, Used};
pub use inventory::{Listed, Owner, State};
pub use log_book::{LogSink, LogStreamName};
pub use network::{EnvironmentIdentity, FunctionEndpoint};
pub use worker::{KeepWarm, Worker, WorkerError, WorkerLease, WorkerOptions};
