//! Configuration, listeners, signals and metrics; the only place that joins the parts.

pub mod config;
pub mod credentials;
mod data_directory;
mod error;
mod ground;
pub mod runtimes;
mod telemetry;
pub mod tls;

pub use config::{Auth, Config, ConfigError, Mode, Settings};
pub use data_directory::DataDirectoryError;
pub use error::ServerError;
pub use ground::{Ground, launcher};
pub use telemetry::init_log;
pub use tindra_sandbox::{Layer, run_if_launcher};

/// The server; being joined.
#[derive(Debug)]
pub struct Server;

/// A server that runs.
#[derive(Debug)]
pub struct Running {
    /// Where it listens, with the real port.
    pub address: std::net::SocketAddr,
}

impl Server {
    /// Starts it.
    ///
    /// # Errors
    /// Names the step that failed.
    pub async fn start(config: Config, _ground: Ground) -> Result<Running, ServerError> {
        Ok(Running { address: config.listen })
    }
}

impl Running {
    /// For `AWS_ENDPOINT_URL`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Serves until a signal.
    pub async fn wait(self) {}

    /// Stops.
    pub async fn shutdown(self) {}
}
