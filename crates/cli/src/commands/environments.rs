//! `tindra environments`: the execution environments of a server.

use serde_json::Value;

use crate::arguments::EnvironmentsArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{api, output};

/// After the version.
const TENANT_COLUMN: usize = 2;

pub(crate) async fn run(arguments: EnvironmentsArguments) -> Result<ExitCode, Failure> {
    let mut environments = api::environments(&arguments.endpoint.client()?).await?;
    if let Some(name) = &arguments.name {
        environments.retain(|environment| environment.get("function").and_then(Value::as_str) == Some(name));
    }
    if arguments.json {
        output::json(&environments.into())?;
    } else if environments.is_empty() {
        output::note("no execution environments; an invoke makes one");
    } else {
        output::line(&table(&environments))?;
    }
    Ok(ExitCode::Success)
}

/// Tenants have a column where there are any.
fn table(environments: &[Value]) -> String {
    let mut heading =
        vec!["function", "version", "state", "runtime", "memory", "in use", "age", "idle", "invokes", "type", "start"];
    let mut rows: Vec<_> = environments.iter().map(row).collect();
    if environments.iter().any(|environment| environment.get("tenant").is_some_and(Value::is_string)) {
        heading.insert(TENANT_COLUMN, "tenant");
        for (row, environment) in rows.iter_mut().zip(environments) {
            row.insert(TENANT_COLUMN, text(environment, "tenant"));
        }
    }
    output::table(&heading, rows)
}

fn text(environment: &Value, member: &str) -> String {
    environment.get(member).and_then(Value::as_str).unwrap_or("-").to_owned()
}

fn row(environment: &Value) -> Vec<String> {
    let text = |member: &str| text(environment, member);
    let number = |member: &str, shown: fn(u64) -> String| {
        environment.get(member).and_then(Value::as_u64).map_or_else(|| "-".to_owned(), shown)
    };
    vec![
        text("function"),
        text("version"),
        text("state"),
        text("runtime"),
        number("memory_mb", |memory_mb| format!("{memory_mb} MB")),
        number("memory_bytes", |bytes| format!("{:.1} MB", bytes as f64 / f64::from(1 << 20))),
        number("age_ms", output::time),
        number("idle_ms", output::time),
        number("invokes", |invokes| invokes.to_string()),
        text("initialization"),
        text("start"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn environments_and_spares_are_shown_in_columns() {
        let environments = [
            json!({"function": "hello", "version": "$LATEST", "state": "frozen", "runtime": "python3.13", "memory_mb": 128,
                "memory_bytes": 5 << 20, "age_ms": 61_000, "idle_ms": 250, "invokes": 3, "initialization": "on-demand",
                "start": "spare"}),
            json!({"state": "waiting", "runtime": "python3.13", "memory_mb": null, "memory_bytes": 1 << 20,
                "age_ms": 7_322_000, "idle_ms": null}),
        ];
        let expected = "\
FUNCTION  VERSION  STATE    RUNTIME     MEMORY  IN USE  AGE        IDLE    INVOKES  TYPE       START
hello     $LATEST  frozen   python3.13  128 MB  5.0 MB  1 min 1 s  250 ms  3        on-demand  spare
-         -        waiting  python3.13  -       1.0 MB  2 h 2 min  -       -        -          -";
        assert_eq!(table(&environments), expected);
    }

    #[test]
    fn tenants_are_shown_where_there_are_any() {
        let environments = [
            json!({"function": "hello", "version": "$LATEST", "tenant": "blue", "state": "busy", "runtime": "python3.13",
                "memory_mb": 128, "memory_bytes": 5 << 20, "age_ms": 61_000, "idle_ms": null, "invokes": 3,
                "initialization": "on-demand", "start": "spare"}),
            json!({"function": "other", "version": "1", "tenant": null, "state": "busy", "runtime": "python3.13",
                "memory_mb": 128, "memory_bytes": 5 << 20, "age_ms": 61_000, "idle_ms": null, "invokes": 3,
                "initialization": "on-demand", "start": "spare"}),
        ];
        let expected = "\
FUNCTION  VERSION  TENANT  STATE  RUNTIME     MEMORY  IN USE  AGE        IDLE  INVOKES  TYPE       START
hello     $LATEST  blue    busy   python3.13  128 MB  5.0 MB  1 min 1 s  -     3        on-demand  spare
other     1        -       busy   python3.13  128 MB  5.0 MB  1 min 1 s  -     3        on-demand  spare";
        assert_eq!(table(&environments), expected);
    }
}
