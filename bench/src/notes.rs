//! A function that remembers when each of its events began, and tells.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::server::Server;

/// For `app.handler` in `app.py`.
const SOURCE: &str = "import time\nbegan = []\n\ndef handler(event, context):\n    if 'read' in event:\n        return began\n    began.append(time.time_ns())\n";

/// Deploys it.
pub(crate) fn deploy(server: &Server, name: &str, python_runtime: &str) -> Result<()> {
    server.deploy(name, python_runtime, "app.handler", "app.py", SOURCE)
}

/// When its events began, since 1970. To be asked when none of them runs: another environment knows nothing.
pub(crate) fn began(server: &Server, name: &str) -> Result<Vec<Duration>> {
    let path = format!("/2015-03-31/functions/{name}/invocations");
    let began = server.call("POST", &path, &json!({"read": true}))?;
    let began = began.as_array().context("a list of times")?;
    Ok(began.iter().filter_map(Value::as_u64).map(Duration::from_nanos).collect())
}
