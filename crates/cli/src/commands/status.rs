//! `tindra status`: what a server says about itself: whether it serves, how much of it is used, and how functions are confined.

use serde_json::Value;

use crate::arguments::StatusArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{api, output};

pub(crate) async fn run(arguments: StatusArguments) -> Result<ExitCode, Failure> {
    let client = arguments.endpoint.client()?;
    let mut health = api::health(&client).await?;
    // Health is for everybody, what is used only for an account's own key.
    match api::capacity(&client).await {
        Ok(capacity) => health["capacity"] = capacity,
        Err(error) => output::note(&format!("what is used is not shown: {error}")),
    }
    if arguments.json {
        output::json(&health)?;
    } else {
        let text = |member: &str| health.get(member).and_then(Value::as_str).unwrap_or("-").to_owned();
        output::line(&format!("{}: Tindra {}, {}", client.base(), text("version"), text("status")))?;
        if let Some(capacity) = health.get("capacity") {
            output::line(&format!("\n{}", used(capacity)))?;
            if let Some(shortage) = capacity.pointer("/machine/shortage").and_then(Value::as_str) {
                output::line(&format!("\nnothing more is started: {shortage}"))?;
            }
        }
        output::line(&format!("\n{}", layers(&health)))?;
    }
    let is_ok = health.get("status").and_then(Value::as_str) == Some("ok");
    Ok(if is_ok { ExitCode::Success } else { ExitCode::Failure })
}

fn used(capacity: &Value) -> String {
    let number = |path: &str| capacity.pointer(path).and_then(Value::as_u64);
    let row = |name: &str, used: &str, max: &str, shown: fn(u64) -> String| {
        let show = |path: &str| number(path).map_or_else(|| "-".to_owned(), shown);
        number(used).map(|_| vec![name.to_owned(), show(used), show(max)])
    };
    let counted = |name: &str, member: &str| {
        row(name, &format!("/machine/{member}/used"), &format!("/machine/{member}/max"), |count| count.to_string())
    };
    let rows = [
        row("invokes", "/concurrency/running", "/concurrency/limit", |count| count.to_string()),
        row("unreserved", "/concurrency/unreserved_running", "/concurrency/unreserved_limit", |count| {
            count.to_string()
        }),
        row("environments in use", "/machine/environments/in_use", "/machine/environments/max", |count| {
            count.to_string()
        }),
        row("environments idle", "/machine/environments/idle", "/machine/environments/max", |count| count.to_string()),
        counted("invokes waiting for room", "waiting_invokes"),
        counted("spares", "spares"),
        row("memory", "/machine/memory_bytes/used", "/machine/memory_bytes/max", |bytes| format!("{} MB", bytes >> 20)),
        counted("processes", "processes"),
        counted("descriptors", "descriptors"),
    ];
    output::table(&["what", "used", "of"], rows.into_iter().flatten().collect())
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_known_is_shown() {
        let concurrency = json!({"limit": 1_000, "running": 3, "unreserved_limit": 900, "unreserved_running": 2});
        let alone = json!({"concurrency": concurrency, "machine": null});
        assert_eq!(used(&alone), "WHAT        USED  OF\ninvokes     3     1000\nunreserved  2     900");
        let machine = json!({
            "environments": {"in_use": 2, "idle": 1, "snapshots": 0, "max": 500},
            "memory_bytes": {"used": 3_u64 << 30, "max": 8_u64 << 30},
            "processes": {"used": 212, "max": 32_768},
        });
        let expected = "\
WHAT                 USED     OF
invokes              3        1000
unreserved           2        900
environments in use  2        500
environments idle    1        500
memory               3072 MB  8192 MB
processes            212      32768";
        assert_eq!(used(&json!({"concurrency": concurrency, "machine": machine})), expected);
    }
}
