//! A custom runtime in this very binary: with a Runtime API to talk to it answers events with themselves.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::http::Connection;

/// Runs it when this process was started as one, until the Runtime API goes away.
pub(crate) fn run_if_bootstrap() -> Option<Result<()>> {
    let address = std::env::var("AWS_LAMBDA_RUNTIME_API").ok()?;
    Some(address.parse().context("the address of the Runtime API").and_then(serve))
}

fn serve(address: SocketAddr) -> Result<()> {
    let mut connection = Connection::open(address)?;
    loop {
        let event = connection.send("GET", "/2018-06-01/runtime/invocation/next", b"")?;
        let id = event.head.split("lambda-runtime-aws-request-id:").nth(1).context("an event without an id")?;
        let id = id.lines().next().unwrap_or_default().trim().to_owned();
        connection.post(&format!("/2018-06-01/runtime/invocation/{id}/response"), &event.body)?;
    }
}
