//! `tindra sources`: what event source mappings read, how far they are, and what keeps them.

use serde_json::Value;

use crate::arguments::SourcesArguments;
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{api, output};

pub(crate) async fn run(arguments: SourcesArguments) -> Result<ExitCode, Failure> {
    let mut answer = api::sources(&arguments.endpoint.client()?).await?;
    if let (Some(name), Some(sources)) = (&arguments.name, answer.get_mut("sources").and_then(Value::as_array_mut)) {
        sources.retain(|source| source.get("function").and_then(Value::as_str) == Some(name));
    }
    if arguments.json {
        output::json(&answer)?;
        return Ok(ExitCode::Success);
    }
    let now_ms = answer.get("now_ms").and_then(Value::as_u64).unwrap_or_default();
    let sources = answer.get("sources").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if sources.is_empty() {
        output::note("no event source mappings; `aws lambda create-event-source-mapping` makes one");
        return Ok(ExitCode::Success);
    }
    output::line(&mappings(sources))?;
    let shards = shards(sources, now_ms);
    if !shards.is_empty() {
        output::line(&format!("\n{}", table_of_shards(shards)))?;
    }
    Ok(ExitCode::Success)
}

fn mappings(sources: &[Value]) -> String {
    let row = |source: &Value| {
        ["function", "kind", "source", "state", "result", "uuid"].iter().map(|member| text(source, member)).collect()
    };
    output::table(&["function", "kind", "source", "state", "last result", "uuid"], sources.iter().map(row).collect())
}

/// A row for each shard of each mapping.
fn shards(sources: &[Value], now_ms: u64) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for source in sources {
        for shard in source.get("shards").and_then(Value::as_array).into_iter().flatten() {
            let number = |member: &str| shard.get(member).and_then(Value::as_u64);
            let since = number("since_ms").map(|since_ms| output::time(now_ms.saturating_sub(since_ms)));
            rows.push(vec![
                text(source, "function"),
                text(shard, "shard"),
                text(shard, "state"),
                since.unwrap_or_else(|| "-".to_owned()),
                number("lag_ms").map_or_else(|| "-".to_owned(), output::time),
                text(shard, "position"),
                text(shard, "reason"),
            ]);
        }
    }
    rows
}

fn table_of_shards(rows: Vec<Vec<String>>) -> String {
    output::table(&["function", "shard", "state", "for", "lag", "position", "reason"], rows)
}

fn text(row: &Value, member: &str) -> String {
    row.get(member).and_then(Value::as_str).unwrap_or("-").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn mappings_and_shards_are_shown_in_columns() {
        let sources = [
            json!({ "function": "hello", "kind": "Kinesis", "source": "arn:aws:kinesis:eu-west-1:1:stream/s",
                "state": "Enabled", "result": "OK", "uuid": "u",
                "shards": [
                    { "shard": "shardId-0", "state": "retrying", "position": "17", "lag_ms": 1_500, "since_ms": 1_000,
                        "reason": "Function call failed" },
                    { "shard": "shardId-1", "state": "reading", "position": "LATEST", "lag_ms": null, "since_ms": null },
                ] }),
            json!({ "function": "jobs", "kind": "SQS", "source": "arn:aws:sqs:eu-west-1:1:q", "state": "Disabled",
                "result": null, "uuid": "v", "shards": [] }),
        ];
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let expected = "\
FUNCTION  KIND     SOURCE                                STATE     LAST RESULT  UUID
hello     Kinesis  arn:aws:kinesis:eu-west-1:1:stream/s  Enabled   OK           u
jobs      SQS      arn:aws:sqs:eu-west-1:1:q             Disabled  -            v";
        assert_eq!(words(&mappings(&sources)), words(expected));
        let expected = "\
FUNCTION  SHARD      STATE     FOR  LAG    POSITION  REASON
hello     shardId-0  retrying  6 s  1.5 s  17        Function call failed
hello     shardId-1  reading   -    -      LATEST    -";
        let shown = table_of_shards(shards(&sources, 7_000));
        assert_eq!(words(&shown)[..7], words(expected)[..7], "{shown}");
        assert!(shown.contains("Function call failed") && shown.contains("6 s"), "{shown}");
    }
}
