//! `tindra status`: what a server says about itself.

use serde_json::Value;

use crate::arguments::StatusArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{api, output};

pub(crate) async fn run(arguments: StatusArguments) -> Result<ExitCode, Failure> {
    let client = arguments.endpoint.client()?;
    let health = api::health(&client).await?;
    if arguments.json {
        output::json(&health)?;
    } else {
        let text = |member: &str| health.get(member).and_then(Value::as_str).unwrap_or("-").to_owned();
        output::line(&format!("{}: Tindra {}, {}", client.base(), text("version"), text("status")))?;
        output::line(&layers(&health))?;
    }
    let is_ok = health.get("status").and_then(Value::as_str) == Some("ok");
    Ok(if is_ok { ExitCode::Success } else { ExitCode::Failure })
}

fn layers(health: &Value) -> String {
    let layers = health.get("layers").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let row = |layer: &Value| {
        let text = |member: &str| layer.get(member).and_then(Value::as_str).unwrap_or_default().to_owned();
        let holds = layer.get("holds").and_then(Value::as_bool).unwrap_or_default();
        vec![text("name"), if holds { "yes" } else { "no" }.to_owned(), text("detail")]
    };
    output::table(&["sandbox layer", "holds", "detail"], layers.iter().map(row).collect())
}
