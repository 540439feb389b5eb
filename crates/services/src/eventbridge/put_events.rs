//! PutEvents: one commit for all that comes of its entries. TestEventPattern.

use std::collections::HashSet;

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::clock::UnixMs;
use tindra_core::event_pattern::Pattern;
use tindra_core::policy::Requester;
use tindra_store::Batch;
use uuid::Uuid;

use super::EventBridgeService;
use super::error::EventsError;
use super::event::Event;
use super::names::BusName;
use crate::iam::Who;
use crate::{Asker, instant};

/// All entries of a request together (AWS, since 2026: 1 MB).
const BYTES_MAX: usize = 1_048_576;
/// What a time counts for (AWS, "Calculating PutEvents event entry size").
const TIME_BYTES: usize = 14;
/// What `Source` of one's own events does not begin with.
const SOURCE_OF_AWS: &str = "aws.";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRequest {
    entries: Vec<Entry>,
    endpoint_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    time: Option<f64>,
    source: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    event_bus_name: Option<String>,
    trace_header: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TestRequest {
    event_pattern: String,
    event: String,
}

/// Why an entry was not taken.
struct Refused {
    code: &'static str,
    message: String,
}

impl Refused {
    fn argument(name: &str, reason: &str) -> Self {
        Self { code: "InvalidArgument", message: format!("Parameter {name} is not valid. Reason: {reason}") }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        let texts = [&self.source, &self.detail_type, &self.detail];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let time = if self.time.is_some() { TIME_BYTES } else { 0 };
        texts + time + self.resources.iter().map(String::len).sum::<usize>()
    }

    /// The bus, and the event as it will be on it.
    fn read(&self, asker: Asker<'_>, now_ms: UnixMs) -> Result<(BusName, Event), Refused> {
        let required = |name: &str, member: &'_ Option<String>| {
            let given = member.clone().filter(|text| !text.is_empty());
            given.ok_or_else(|| Refused::argument(name, &format!("{name} is a required argument.")))
        };
        let source = required("Source", &self.source)?;
        let detail_type = required("DetailType", &self.detail_type)?;
        let detail = required("Detail", &self.detail)?;
        if source.starts_with(SOURCE_OF_AWS) {
            let message = "Not authorized for the source.".to_owned();
            return Err(Refused { code: "NotAuthorizedForSource", message });
        }
        let detail: Value = match serde_json::from_str(&detail) {
            Ok(detail @ Value::Object(_)) => detail,
            _ => return Err(Refused { code: "MalformedDetail", message: "Detail is malformed.".to_owned() }),
        };
        let time_ms = match self.time {
            Some(time) => {
                instant::from_seconds(time).ok_or_else(|| Refused::argument("Time", "it is out of range."))?
            }
            None => now_ms,
        };
        let bus = BusName::read(asker.scope, self.event_bus_name.as_deref())
            .map_err(|error| Refused::argument("EventBusName", error.message()))?;
        let value = json!({
            "version": "0",
            "id": Uuid::new_v4().to_string(),
            "detail-type": detail_type,
            "source": source,
            "account": asker.scope.account,
            "time": instant::to_text(time_ms),
            "region": asker.scope.region,
            "resources": self.resources,
            "detail": detail,
        });
        let mut event = Event::new(value, now_ms);
        event.trace_id = self.trace_header.clone().or_else(|| asker.trace_id.map(str::to_owned));
        Ok((bus, event))
    }
}

impl EventBridgeService {
    pub(super) async fn put_events(&self, asker: Asker<'_>, request: PutRequest) -> Result<Value, EventsError> {
        if request.endpoint_id.is_some() {
            return Err(EventsError::unsupported("EndpointId: there are no global endpoints here"));
        }
        let bytes: usize = request.entries.iter().map(Entry::bytes).sum();
        if bytes > BYTES_MAX {
            return Err(EventsError::invalid("Total size of the entries in the request is over the limit."));
        }
        self.table.catch_up().await.map_err(|error| EventsError::new("InternalException", error.to_string()))?;
        let now_ms = self.now_ms();
        let (mut answers, mut messages, mut failed) = (Vec::new(), Vec::new(), 0_usize);
        let mut let_in = HashSet::new();
        for entry in &request.entries {
            match entry.read(asker, now_ms) {
                Ok((bus, event)) => {
                    self.check_asker(asker, &bus, &mut let_in).await?;
                    answers.push(json!({ "EventId": event.member("id") }));
                    // Events for a bus that is not there are taken, and are for nobody (AWS).
                    if self.table.has_bus(&bus) {
                        messages.extend(self.spread(&bus, &event).await?);
                    }
                }
                Err(Refused { code, message }) => {
                    failed += 1;
                    answers.push(json!({ "ErrorCode": code, "ErrorMessage": message }));
                }
            }
        }
        if !messages.is_empty() {
            self.around.outbox.commit(Batch::default(), messages).await?;
        }
        Ok(json!({ "FailedEntryCount": failed, "Entries": answers }))
    }

    /// A bus of another account asks its policy whether the caller may; what the caller's own policies say was asked before.
    async fn check_asker(
        &self,
        asker: Asker<'_>,
        bus: &BusName,
        let_in: &mut HashSet<BusName>,
    ) -> Result<(), EventsError> {
        let is_own = bus.scope.account == asker.scope.account;
        if is_own || !self.around.is_checked || let_in.contains(bus) {
            return Ok(());
        }
        if !self.lets_in(bus, &requester(asker)).await? {
            return Err(EventsError::new(
                "AccessDeniedException",
                format!(
                    "User: {} is not authorized to perform: events:PutEvents on resource: {} because no resource-based policy allows the events:PutEvents action",
                    asker.identity.arn(),
                    bus.arn()
                ),
            ));
        }
        let_in.insert(bus.clone());
        Ok(())
    }
}

fn requester(asker: Asker<'_>) -> Requester {
    let identity = asker.identity;
    let account = identity.account.clone();
    match &identity.who {
        Who::Root => Requester::Root { account },
        Who::User(_) => Requester::User { arn: identity.arn(), account },
        Who::Role { name, .. } => {
            Requester::Session { arn: identity.arn(), role: format!("arn:aws:iam::{account}:role/{name}"), account }
        }
    }
}

/// `TestEventPattern`.
pub(super) fn test_pattern(request: &TestRequest) -> Result<Value, EventsError> {
    let pattern = Pattern::parse(&request.event_pattern).map_err(EventsError::pattern)?;
    let event: Value = serde_json::from_str(&request.event)
        .map_err(|error| EventsError::invalid(format!("Parameter Event is not valid. Reason: {error}")))?;
    let members = ["id", "account", "source", "time", "region", "resources", "detail-type"];
    if let Some(missing) = members.iter().find(|member| event.get(**member).is_none()) {
        return Err(EventsError::invalid(format!("Parameter Event is not valid. Reason: {missing} is required.")));
    }
    Ok(json!({ "Result": pattern.matches(&event) }))
}
