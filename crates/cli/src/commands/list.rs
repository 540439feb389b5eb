//! `tindra list`: the functions of a server.

use serde_json::Value;

use crate::arguments::ListArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{api, output};

pub(crate) async fn run(arguments: ListArguments) -> Result<ExitCode, Failure> {
    let functions = api::list(&arguments.endpoint.client()?).await?;
    if arguments.json {
        output::json(&functions.into())?;
    } else if functions.is_empty() {
        output::note("no functions; `tindra deploy DIR` deploys some");
    } else {
        output::line(&table(&functions))?;
    }
    Ok(ExitCode::Success)
}

fn table(functions: &[Value]) -> String {
    let heading = ["name", "runtime", "handler", "memory", "timeout", "code", "modified"];
    output::table(&heading, functions.iter().map(row).collect())
}

fn row(function: &Value) -> Vec<String> {
    let text = |member: &str| function.get(member).and_then(Value::as_str).unwrap_or("-").to_owned();
    let number = |member: &str| function.get(member).and_then(Value::as_u64).unwrap_or_default();
    vec![
        text("FunctionName"),
        text("Runtime"),
        text("Handler"),
        format!("{} MB", number("MemorySize")),
        format!("{} s", number("Timeout")),
        size(number("CodeSize")),
        text("LastModified").split('.').next().unwrap_or_default().replace('T', " "),
    ]
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn functions_are_shown_in_columns() {
        let functions =
            [json!({"FunctionName": "hello", "Runtime": "python3.13", "Handler": "app.handler", "MemorySize": 128,
            "Timeout": 3, "CodeSize": 1_234, "LastModified": "2026-01-02T03:04:05.678+0000"})];
        let expected = "NAME   RUNTIME     HANDLER      MEMORY  TIMEOUT  CODE    MODIFIED\n\
                        hello  python3.13  app.handler  128 MB  3 s      1.2 kB  2026-01-02 03:04:05";
        assert_eq!(table(&functions), expected);
    }
}
