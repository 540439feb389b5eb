//! FilterLogEvents: many streams as one, by time, through a pattern.
//!
//! A token names the last event of the page before it, so paging goes on where it was whatever is written in
//! between. Events are ordered by time, then stream, then position.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;
use tindra_store::{LogEvent, LogStream};

use super::names::{GroupName, event_id, store_scope};
use super::pattern::Pattern;
use super::{LogsError, LogsService, page};

/// Events read at once.
const READ_EVENTS: usize = 1_000;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    #[serde(flatten)]
    group: GroupName,
    log_stream_names: Option<Vec<String>>,
    log_stream_name_prefix: Option<String>,
    start_time: Option<u64>,
    end_time: Option<u64>,
    filter_pattern: Option<String>,
    next_token: Option<String>,
    limit: Option<i64>,
    start_from_head: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    events: Vec<FilteredEvent>,
    /// Empty, as AWS answers it nowadays.
    searched_log_streams: Vec<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FilteredEvent {
    log_stream_name: String,
    timestamp: u64,
    message: String,
    ingestion_time: u64,
    event_id: String,
}

/// The place of an event in the answer: time, stream, position in the stream.
type Place = (u64, String, u64);

fn parse_token(token: &str) -> Result<Place, LogsError> {
    let mut parts = token.splitn(3, '/');
    let mut number = || parts.next()?.parse().ok();
    match (number(), number(), parts.next()) {
        (Some(timestamp), Some(position), Some(stream)) => Ok((timestamp, stream.to_owned(), position)),
        _ => Err(LogsError::bad_token()),
    }
}

fn token((timestamp, stream, position): &Place) -> String {
    format!("{timestamp:016}/{position:020}/{stream}")
}

/// The smallest places seen so far that fit into one page.
struct Page {
    limit: usize,
    events: BTreeMap<Place, LogEvent>,
    bytes: usize,
    /// The smallest place that did not fit: nothing from there on belongs to this page.
    ceiling: Option<Place>,
}

impl Page {
    fn offer(&mut self, place: Place, event: LogEvent) {
        if self.ceiling.as_ref().is_some_and(|ceiling| place >= *ceiling) {
            return;
        }
        self.bytes += event.message.len();
        self.events.insert(place, event);
        while self.events.len() > self.limit || (self.bytes > page::PAGE_BYTES_MAX && self.events.len() > 1) {
            if let Some((place, event)) = self.events.pop_last() {
                self.bytes -= event.message.len();
                self.ceiling = Some(place);
            }
        }
    }
}

/// What is asked for, understood.
struct Search {
    scope: String,
    group: String,
    start_ms: u64,
    /// Inclusive, unlike in GetLogEvents.
    end_ms: u64,
    after: Option<Place>,
    pattern: Pattern,
}

impl Search {
    /// Whether a stream can hold an event that is asked for.
    fn concerns(&self, stream: &LogStream) -> bool {
        let from_ms = self.after.as_ref().map_or(self.start_ms, |(timestamp, ..)| self.start_ms.max(*timestamp));
        stream.first_event_ms.is_some_and(|first| first <= self.end_ms) && stream.last_event_ms >= Some(from_ms)
    }

    fn has(&self, place: &Place, event: &LogEvent) -> bool {
        (self.start_ms..=self.end_ms).contains(&event.timestamp_ms)
            && self.after.as_ref().is_none_or(|after| place > after)
            && self.pattern.matches(&event.message)
    }
}

impl LogsService {
    pub(super) async fn filter_events(&self, scope: &Scope, request: Request) -> Result<Response, LogsError> {
        if request.start_from_head == Some(false) {
            return Err(LogsError::invalid("tindra answers the earliest events first; startFromHead cannot be false."));
        }
        let pattern = Pattern::parse(request.filter_pattern.as_deref().unwrap_or_default());
        let search = Search {
            scope: store_scope(scope),
            group: request.group.resolve(scope)?,
            start_ms: request.start_time.unwrap_or(0),
            end_ms: request.end_time.unwrap_or(u64::MAX),
            after: request.next_token.as_deref().map(parse_token).transpose()?,
            pattern: pattern.map_err(|error| LogsError::invalid(error.to_string()))?,
        };
        let limit = page::limit(request.limit, page::EVENTS_MAX)?;
        let streams = self.store.logs.streams(&search.scope, &search.group).await?.ok_or_else(LogsError::no_group)?;
        let streams = chosen(streams, request.log_stream_names.as_deref(), request.log_stream_name_prefix.as_deref())?;
        let mut page = Page { limit, events: BTreeMap::new(), bytes: 0, ceiling: None };
        for stream in streams.iter().filter(|stream| search.concerns(stream)) {
            self.search_stream(&search, &stream.name, &mut page).await?;
        }
        let last = page.events.last_key_value().map(|(place, _)| token(place));
        Ok(Response {
            next_token: last.filter(|_| page.ceiling.is_some()),
            searched_log_streams: Vec::new(),
            events: page.events.into_iter().map(|(place, event)| output(place, event)).collect(),
        })
    }

    async fn search_stream(&self, search: &Search, stream: &str, page: &mut Page) -> Result<(), LogsError> {
        let mut from = 0;
        loop {
            let read = self.store.logs.read(&search.scope, &search.group, stream, from, READ_EVENTS).await?;
            let Some((first, events)) = read.filter(|(_, events)| !events.is_empty()) else { return Ok(()) };
            from = first + events.len() as u64;
            for (position, event) in (first..).zip(events) {
                let place = (event.timestamp_ms, stream.to_owned(), position);
                if search.has(&place, &event) {
                    page.offer(place, event);
                }
            }
        }
    }
}

/// The streams to look into: those named, those with a prefix, or all.
fn chosen(
    mut streams: Vec<LogStream>,
    names: Option<&[String]>,
    prefix: Option<&str>,
) -> Result<Vec<LogStream>, LogsError> {
    match (names, prefix) {
        (Some(_), Some(_)) => {
            Err(LogsError::invalid("logStreamNames and logStreamNamePrefix cannot be used together."))
        }
        (Some(names), None) => {
            if names.iter().any(|name| !streams.iter().any(|stream| stream.name == *name)) {
                return Err(LogsError::no_stream());
            }
            streams.retain(|stream| names.contains(&stream.name));
            Ok(streams)
        }
        (None, prefix) => {
            streams.retain(|stream| prefix.is_none_or(|prefix| stream.name.starts_with(prefix)));
            Ok(streams)
        }
    }
}

fn output((timestamp, stream, position): Place, event: LogEvent) -> FilteredEvent {
    FilteredEvent {
        event_id: event_id(&stream, timestamp, position),
        log_stream_name: stream,
        timestamp,
        message: event.message,
        ingestion_time: event.ingestion_ms,
    }
}
