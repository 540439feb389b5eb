//! The one way from inside a sandbox back to Tindra: connections to the function's `AWS_ENDPOINT_URL`.

use std::sync::Arc;

use tindra_core::function::Scope;
use tokio::net::TcpStream;

use super::accept;
use crate::gate::Gate;
use crate::readiness::Listener;

/// Who an environment is when it calls Tindra: its execution role, with keys that are its own.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvironmentIdentity {
    /// Account and region.
    pub scope: Scope,
    /// The function that it runs.
    pub function_name: String,
    /// ARN of the execution role.
    pub role_arn: String,
    /// `AWS_ACCESS_KEY_ID` inside.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY` inside.
    pub secret_access_key: String,
    /// `AWS_SESSION_TOKEN` inside.
    pub session_token: String,
}

impl std::fmt::Debug for EnvironmentIdentity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EnvironmentIdentity")
            .field("scope", &self.scope)
            .field("function_name", &self.function_name)
            .field("role_arn", &self.role_arn)
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// Serves what functions say to Tindra itself.
pub trait FunctionEndpoint: Send + Sync + std::fmt::Debug {
    /// Serves HTTP on a connection that came from inside the environment of `identity`. Returns at once; the
    /// implementation owns the connection and bounds what it does with it.
    fn serve(&self, connection: TcpStream, identity: Arc<EnvironmentIdentity>);
}

/// Hands over every connection that comes.
pub(super) async fn accept_all(
    listener: Arc<Gate<Listener>>,
    endpoint: Arc<dyn FunctionEndpoint>,
    identity: Arc<EnvironmentIdentity>,
) {
    loop {
        let connection = accept(&listener).await;
        // Answers are written whole; waiting for more to send would only delay them.
        let _ = connection.set_nodelay(true);
        endpoint.serve(connection, Arc::clone(&identity));
    }
}
