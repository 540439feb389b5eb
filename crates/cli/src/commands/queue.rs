//! `tindra queue`: what waits of asynchronous invokes, since when, and which attempt is next.

use serde_json::Value;

use crate::arguments::QueueArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{api, output};

pub(crate) async fn run(arguments: QueueArguments) -> Result<ExitCode, Failure> {
    let client = arguments.endpoint.client()?;
    if let (Some(name), true) = (&arguments.name, arguments.redrive) {
        let answer = api::redrive(&client, name, arguments.id.as_deref()).await?;
        return shown(&arguments, &answer, |answer| {
            let redriven = answer.get("redriven").and_then(Value::as_u64).unwrap_or_default();
            format!("{redriven} made due now")
        });
    }
    let answer = api::queue(&client, arguments.name.as_deref()).await?;
    let now_ms = answer.get("now_ms").and_then(Value::as_u64).unwrap_or_default();
    let member = if arguments.name.is_some() { "messages" } else { "queues" };
    let rows = answer.get(member).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if rows.is_empty() && !arguments.json {
        output::note("nothing waits");
        return Ok(ExitCode::Success);
    }
    shown(&arguments, &answer, |_| match member {
        "queues" => queues(rows, now_ms),
        _ => messages(rows, now_ms),
    })
}

fn shown(arguments: &QueueArguments, answer: &Value, text: impl FnOnce(&Value) -> String) -> Result<ExitCode, Failure> {
    match arguments.json {
        true => output::json(answer)?,
        false => output::line(&text(answer))?,
    }
    Ok(ExitCode::Success)
}

fn queues(queues: &[Value], now_ms: u64) -> String {
    let row = |queue: &Value| {
        vec![
            text(queue, "function"),
            text(queue, "kind"),
            text(queue, "target"),
            number(queue, "messages"),
            ago(queue, "oldest_ms", now_ms),
            due(queue, "next_due_ms", now_ms),
        ]
    };
    let heading = ["function", "kind", "target", "messages", "oldest", "next due"];
    output::table(&heading, queues.iter().map(row).collect())
}

fn messages(messages: &[Value], now_ms: u64) -> String {
    let row = |message: &Value| {
        vec![
            text(message, "id"),
            text(message, "kind"),
            text(message, "qualifier"),
            text(message, "target"),
            ago(message, "since_ms", now_ms),
            number(message, "attempts"),
            due(message, "due_ms", now_ms),
            text(message, "last_error"),
        ]
    };
    let heading = ["id", "kind", "qualifier", "target", "waits", "attempts", "due", "last error"];
    output::table(&heading, messages.iter().map(row).collect())
}

fn text(row: &Value, member: &str) -> String {
    row.get(member).and_then(Value::as_str).unwrap_or("-").to_owned()
}

fn number(row: &Value, member: &str) -> String {
    row.get(member).and_then(Value::as_u64).map_or_else(|| "-".to_owned(), |number| number.to_string())
}

fn ago(row: &Value, member: &str, now_ms: u64) -> String {
    row.get(member)
        .and_then(Value::as_u64)
        .map_or_else(|| "-".to_owned(), |then_ms| output::time(now_ms.saturating_sub(then_ms)))
}

fn due(row: &Value, member: &str, now_ms: u64) -> String {
    match row.get(member).and_then(Value::as_u64) {
        Some(due_ms) if due_ms > now_ms => format!("in {}", output::time(due_ms - now_ms)),
        Some(_) => "now".to_owned(),
        None => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn queues_and_messages_are_shown_in_columns() {
        let waiting = [
            json!({"function": "hello", "kind": "event", "target": null, "messages": 12, "oldest_ms": 1_000, "next_due_ms": 9_000}),
            json!({"function": "hello", "kind": "delivery", "target": "arn:aws:sqs:us-east-1:000000000000:dead", "messages": 1,
                "oldest_ms": 61_000, "next_due_ms": 130_000}),
        ];
        let expected = "\
FUNCTION  KIND      TARGET                                   MESSAGES  OLDEST  NEXT DUE
hello     event     -                                        12        2 min 0 s  now
hello     delivery  arn:aws:sqs:us-east-1:000000000000:dead  1         1 min 0 s  in 9 s";
        let shown = queues(&waiting, 121_000);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&shown), words(expected));
        let message = [json!({"id": "01a2", "kind": "event", "qualifier": "live", "target": null, "since_ms": 1_000,
            "attempts": 1, "due_ms": 61_000, "last_error": "no luck"})];
        let shown = messages(&message, 2_000);
        assert!(shown.ends_with("in 59 s  no luck"), "{shown}");
    }
}
