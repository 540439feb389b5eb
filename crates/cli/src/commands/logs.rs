//! `tindra logs`: what a function has logged, through the CloudWatch Logs API.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use serde_json::Value;

use crate::arguments::LogsArguments;
use crate::client::{Client, ClientError};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::{api, output, style};

/// Between two looks for new lines.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// With `--follow`, how far back it starts.
const FOLLOW_SINCE: Duration = Duration::from_secs(600);
/// Lines may arrive out of order within this time; what was shown already is left out by id.
const OVERLAP_MS: u64 = 5_000;

pub(crate) async fn run(arguments: LogsArguments) -> Result<ExitCode, Failure> {
    let client = arguments.endpoint.client()?;
    let since = arguments.since.as_deref().map(parse_time).transpose()?;
    let since = since.or_else(|| arguments.follow.then_some(FOLLOW_SINCE));
    let mut view = View { start_ms: since.map_or(0, ms_ago), shown: HashSet::new(), as_json: arguments.json };
    if !arguments.follow {
        let shown = view.show_new(&client, &arguments.name).await;
        explain_missing(shown, &client, &arguments.name).await?;
        return Ok(ExitCode::Success);
    }
    tokio::select! {
        ended = follow(&mut view, &client, &arguments.name) => ended,
        interrupted = tokio::signal::ctrl_c() => Ok(interrupted.map(|()| ExitCode::Success)?),
    }
}

async fn follow(view: &mut View, client: &Client, name: &str) -> Result<ExitCode, Failure> {
    loop {
        let shown = view.show_new(client, name).await;
        explain_missing(shown, client, name).await?;
        tokio::time::sleep(LOOK_AGAIN_AFTER).await;
    }
}

/// A function that was never invoked has no log group; that is no error as long as there is the function.
async fn explain_missing(shown: Result<(), Failure>, client: &Client, name: &str) -> Result<(), Failure> {
    let Err(failure) = shown else { return Ok(()) };
    if !failure.is_not_found() {
        return Err(failure);
    }
    match api::configuration(client, name).await {
        Ok(_) => Ok(()),
        Err(error) if error.is_not_found() => {
            Err(Failure::new(anyhow::Error::from(error).context(format!("failed to find logs of {name}"))))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is on the screen.
#[derive(Debug)]
struct View {
    start_ms: u64,
    shown: HashSet<String>,
    as_json: bool,
}

impl View {
    /// Prints what has come since the last time.
    async fn show_new(&mut self, client: &Client, name: &str) -> Result<(), Failure> {
        let (mut token, mut seen, mut latest_ms) = (None::<String>, HashSet::new(), self.start_ms);
        loop {
            let page = self.page(client, name, token.as_deref()).await?;
            for event in page.get("events").and_then(Value::as_array).into_iter().flatten() {
                let id = event.get("eventId").and_then(Value::as_str).unwrap_or_default().to_owned();
                latest_ms = latest_ms.max(timestamp_ms(event));
                if !self.shown.contains(&id) {
                    self.print(event)?;
                }
                seen.insert(id);
            }
            token = page.get("nextToken").and_then(Value::as_str).map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
        self.shown = seen;
        self.start_ms = self.start_ms.max(latest_ms.saturating_sub(OVERLAP_MS));
        Ok(())
    }

    async fn page(&self, client: &Client, name: &str, token: Option<&str>) -> Result<Value, ClientError> {
        api::log_events(client, name, self.start_ms, token).await
    }

    fn print(&self, event: &Value) -> std::io::Result<()> {
        if self.as_json { output::line(&event.to_string()) } else { output::line(&line(event)) }
    }
}

fn timestamp_ms(event: &Value) -> u64 {
    event.get("timestamp").and_then(Value::as_u64).unwrap_or_default()
}

/// `2026-01-02T03:04:05.678Z the message`.
fn line(event: &Value) -> String {
    let milliseconds = i64::try_from(timestamp_ms(event)).unwrap_or_default();
    let time = Timestamp::from_millisecond(milliseconds).map(|time| format!("{time:.3}")).unwrap_or_default();
    let message = event.get("message").and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", style::faint(&time), message.trim_end_matches(['\n', '\t', ' ']))
}

fn ms_ago(time: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.saturating_sub(time).as_millis()).unwrap_or_default()
}

/// `30s`, `10m`, `2h`, `1d`.
fn parse_time(text: &str) -> Result<Duration, Failure> {
    let split = text.len() - text.chars().next_back().map_or(0, char::len_utf8);
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "s" => Some(1),
        "m" => Some(60),
        "h" => Some(3_600),
        "d" => Some(86_400),
        _ => None,
    };
    number
        .parse::<u64>()
        .ok()
        .zip(seconds)
        .and_then(|(number, seconds)| number.checked_mul(seconds))
        .map(Duration::from_secs)
        .ok_or_else(|| {
            Failure::usage(format!("--since \"{text}\" is not a time"))
                .or_hint("write a number and s, m, h or d, for example 10m")
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn times_are_read() {
        assert_eq!(parse_time("10m").unwrap(), Duration::from_secs(600));
        assert_eq!(parse_time("1d").unwrap(), Duration::from_secs(86_400));
        for wrong in ["", "m", "10", "-1m", "1.5h", "10µ", "99999999999999999999s"] {
            assert!(parse_time(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_event_is_a_line() {
        let event = json!({ "timestamp": 1_767_323_045_678_u64, "message": "hello\t\n", "eventId": "1" });
        assert_eq!(line(&event), "2026-01-02T03:04:05.678Z hello");
    }
}
