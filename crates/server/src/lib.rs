//! Configuration, listeners, signals and metrics; the only place that joins the parts.

pub mod config;
pub mod credentials;
mod telemetry;
mod tls;

pub use config::{Auth, Config, ConfigError, Mode, Settings};
pub use telemetry::init_log;
