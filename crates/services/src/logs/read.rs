//! GetLogEvents: one stream, page by page in both directions.
//!
//! A token is a direction and a position in the stream. At an end the same token comes back, which is how
//! callers know, as on AWS.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;
use tindra_store::LogEvent;

use super::names::{GroupName, store_scope};
use super::{LogsError, LogsService, page};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(flatten)]
    group: GroupName,
    log_stream_name: String,
    start_time: Option<u64>,
    end_time: Option<u64>,
    next_token: Option<String>,
    limit: Option<i64>,
    #[serde(default)]
    start_from_head: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    events: Vec<OutputEvent>,
    next_forward_token: String,
    next_backward_token: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OutputEvent {
    timestamp: u64,
    message: String,
    ingestion_time: u64,
}

/// Where a page lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    /// From this position on.
    Forward(u64),
    /// Up to, and without, this position.
    Backward(u64),
}

impl Direction {
    fn parse(token: &str) -> Result<Self, LogsError> {
        let position = |text: &str| text.parse().map_err(|_| LogsError::bad_token());
        match token.split_once('/') {
            Some(("f", text)) => Ok(Self::Forward(position(text)?)),
            Some(("b", text)) => Ok(Self::Backward(position(text)?)),
            _ => Err(LogsError::bad_token()),
        }
    }

    fn token(self) -> String {
        match self {
            Self::Forward(position) => format!("f/{position:056}"),
            Self::Backward(position) => format!("b/{position:056}"),
        }
    }
}

/// Which events of a stream are asked for.
struct Window<'a> {
    scope: &'a str,
    group: &'a str,
    stream: &'a str,
    /// Inclusive.
    start_ms: u64,
    /// Exclusive.
    end_ms: u64,
    limit: usize,
}

impl Window<'_> {
    fn has(&self, event: &LogEvent) -> bool {
        (self.start_ms..self.end_ms).contains(&event.timestamp_ms)
    }
}

type Positioned = (u64, LogEvent);

impl LogsService {
    pub(super) async fn get_events(&self, scope: &Scope, request: Request) -> Result<Response, LogsError> {
        let (store_scope, group) = (store_scope(scope), request.group.resolve(scope)?);
        let window = Window {
            scope: &store_scope,
            group: &group,
            stream: &request.log_stream_name,
            start_ms: request.start_time.unwrap_or(0),
            end_ms: request.end_time.unwrap_or(u64::MAX),
            limit: page::limit(request.limit, page::EVENTS_MAX)?,
        };
        let end = self.stream_end(&window).await?;
        let direction = match &request.next_token {
            Some(token) => Direction::parse(token)?,
            None if request.start_from_head => Direction::Forward(0),
            None => Direction::Backward(end),
        };
        let (here, events) = match direction {
            Direction::Forward(position) => (position.min(end), self.page_forward(&window, position).await?),
            Direction::Backward(position) => (position.min(end), self.page_backward(&window, position).await?),
        };
        let before = events.front().map_or(here, |(position, _)| *position);
        let after = events.back().map_or(here, |(position, _)| position + 1);
        Ok(Response {
            next_forward_token: Direction::Forward(after).token(),
            next_backward_token: Direction::Backward(before).token(),
            events: events.into_iter().map(|(_, event)| output(event)).collect(),
        })
    }

    async fn stream_end(&self, window: &Window<'_>) -> Result<u64, LogsError> {
        match self.store.logs.end(window.scope, window.group, window.stream).await? {
            Some(end) => Ok(end),
            None if self.store.logs.streams(window.scope, window.group).await?.is_none() => Err(LogsError::no_group()),
            None => Err(LogsError::no_stream()),
        }
    }

    async fn page_forward(&self, window: &Window<'_>, from: u64) -> Result<VecDeque<Positioned>, LogsError> {
        let (mut events, mut bytes, mut from) = (VecDeque::new(), 0, from);
        loop {
            let read = self.store.logs.read(window.scope, window.group, window.stream, from, window.limit).await?;
            let Some((first, read)) = read.filter(|(_, read)| !read.is_empty()) else { return Ok(events) };
            from = first + read.len() as u64;
            for (position, event) in (first..).zip(read).filter(|(_, event)| window.has(event)) {
                bytes += event.message.len();
                let full = events.len() >= window.limit || bytes > page::PAGE_BYTES_MAX;
                if full && !events.is_empty() {
                    return Ok(events);
                }
                events.push_back((position, event));
            }
        }
    }

    /// Reads forward to `until` and keeps what fits of the end. Without times to look for, only the last
    /// `limit` events can be in the page.
    async fn page_backward(&self, window: &Window<'_>, until: u64) -> Result<VecDeque<Positioned>, LogsError> {
        let any_time = window.start_ms == 0 && window.end_ms == u64::MAX;
        let mut from = if any_time { until.saturating_sub(window.limit as u64) } else { 0 };
        let (mut events, mut bytes) = (VecDeque::<Positioned>::new(), 0);
        while from < until {
            let read = self.store.logs.read(window.scope, window.group, window.stream, from, window.limit).await?;
            let Some((first, read)) = read.filter(|(_, read)| !read.is_empty()) else { break };
            from = first + read.len() as u64;
            for (position, event) in (first..until).zip(read).filter(|(_, event)| window.has(event)) {
                bytes += event.message.len();
                events.push_back((position, event));
                while events.len() > window.limit || (bytes > page::PAGE_BYTES_MAX && events.len() > 1) {
                    bytes -= events.pop_front().map_or(0, |(_, event)| event.message.len());
                }
            }
        }
        Ok(events)
    }
}

fn output(event: LogEvent) -> OutputEvent {
    OutputEvent { timestamp: event.timestamp_ms, message: event.message, ingestion_time: event.ingestion_ms }
}
