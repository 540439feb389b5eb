//! Configuration, listeners, signals and metrics; the only place that joins the parts.
//!
//! [`launcher`] first, before the process has a thread; then [`Server::start`], whose lines are the steps; then
//! [`Running::wait`]. A request is answered by [`edge::Edge::answer`]. No rule of any service lives here.

mod adapters;
mod apis;
pub mod auth;
mod authorise;
mod brokers;
mod bucket_destinations;
mod code_source;
pub mod config;
pub mod credentials;
mod data_directory;
mod deliveries;
pub mod edge;
mod error;
mod ground;
pub mod listener;
mod log_destinations;
mod parts;
pub mod runtimes;
mod signals;
mod sources;
mod start;
mod targets;
mod telemetry;
pub mod tls;
mod waiting;

pub use config::{Auth, ClockKind, Config, ConfigError, Mode, Settings};
pub use data_directory::DataDirectoryError;
pub use error::ServerError;
pub use ground::{Ground, launcher};
pub use start::{Running, Server};
pub use telemetry::init_log;
pub use tindra_sandbox::{Layer, run_if_launcher};
