//! Configuration, listeners, signals and metrics; the only place that joins the parts.

pub mod config;

pub use config::{Auth, Config, ConfigError, Mode, Settings};
