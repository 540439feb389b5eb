//! A custom runtime in this very binary: with a Runtime API to talk to it answers events with themselves.

use std::net::SocketAddr;

use anyhow::{Context, Result};

use crate::http::Connection;

/// Runs it when this process was started as one; never returns then.
pub(crate) fn run_if_bootstrap() {
    let Ok(address) = std::env::var("AWS_LAMBDA_RUNTIME_API") else { return };
    let ended = address.parse().context("the address of the Runtime API").and_then(serve);
    std::process::exit(i32::from(ended.is_err()));
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
