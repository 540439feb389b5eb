//! What requests to EventBridge and its Scheduler are about, and the roles that they give away.

use serde_json::Value;
use tindra_core::function::Scope;
use tindra_model::Call;

use super::text;

/// The service that uses the roles of rules and their targets.
const EVENTS: &str = "events.amazonaws.com";
/// The service that uses the roles of schedules.
const SCHEDULER: &str = "scheduler.amazonaws.com";

/// The bus, rule, archive, replay, connection or API destination; lists are of no one in particular.
pub(super) fn of_events(call: &Call, scope: &Scope) -> String {
    let (input, operation) = (&call.input, call.operation.name());
    let named = |kind: &str, name: &str| format!("arn:aws:events:{}:{}:{kind}/{name}", scope.region, scope.account);
    if let Some(arn) = text(input, "ResourceARN") {
        return arn.to_owned();
    }
    if operation.starts_with("List") && operation != "ListTargetsByRule" || operation == "TestEventPattern" {
        return "*".to_owned();
    }
    let kinds = [("ArchiveName", "archive"), ("ReplayName", "replay")];
    if let Some((kind, name)) = kinds.iter().find_map(|(member, kind)| Some((kind, text(input, member)?))) {
        return named(kind, name);
    }
    let name = text(input, "Name");
    let bus = text(input, "EventBusName").unwrap_or("default");
    match operation {
        "PutEvents" => bus_of_entries(input, scope),
        "PutPermission" | "RemovePermission" => bus_arn(bus, scope),
        _ if operation.ends_with("EventBus") => bus_arn(name.unwrap_or("default"), scope),
        _ if operation.ends_with("Connection") => named("connection", name.unwrap_or("*")),
        _ if operation.ends_with("ApiDestination") => named("api-destination", name.unwrap_or("*")),
        _ => {
            let rule = name.or_else(|| text(input, "Rule")).unwrap_or("*");
            match bus.rsplit('/').next() {
                Some("default") | None => named("rule", rule),
                Some(bus) => named("rule", &format!("{bus}/{rule}")),
            }
        }
    }
}

/// The schedule or group.
pub(super) fn of_scheduler(call: &Call, scope: &Scope) -> String {
    let (input, operation) = (&call.input, call.operation.name());
    let named = |kind: &str, name: &str| format!("arn:aws:scheduler:{}:{}:{kind}/{name}", scope.region, scope.account);
    if let Some(arn) = text(input, "ResourceArn") {
        return arn.to_owned();
    }
    let name = text(input, "Name").unwrap_or("*");
    let group = text(input, "GroupName");
    match operation {
        "ListScheduleGroups" => "*".to_owned(),
        "ListSchedules" => named("schedule", &format!("{}/*", group.unwrap_or("*"))),
        _ if operation.ends_with("Group") => named("schedule-group", name),
        _ => named("schedule", &format!("{}/{name}", group.unwrap_or("default"))),
    }
}

/// The roles that a rule, its targets or a schedule will use, and the service that does.
pub(super) fn roles(call: &Call) -> Vec<(&str, &'static str)> {
    let input = &call.input;
    match call.operation.name() {
        "PutRule" => text(input, "RoleArn").map(|role| (role, EVENTS)).into_iter().collect(),
        "PutTargets" => {
            let targets = input.get("Targets").and_then(Value::as_array).into_iter().flatten();
            targets.filter_map(|target| Some((text(target, "RoleArn")?, EVENTS))).collect()
        }
        "CreateSchedule" | "UpdateSchedule" => {
            let target = input.get("Target");
            target.and_then(|target| text(target, "RoleArn")).map(|role| (role, SCHEDULER)).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// The bus of all entries; with several buses, only who may put events to any may put these.
fn bus_of_entries(input: &Value, scope: &Scope) -> String {
    let entries = input.get("Entries").and_then(Value::as_array).into_iter().flatten();
    let mut buses = entries.map(|entry| bus_arn(text(entry, "EventBusName").unwrap_or("default"), scope));
    let first = buses.next().unwrap_or_else(|| "*".to_owned());
    if buses.all(|bus| bus == first) { first } else { "*".to_owned() }
}

fn bus_arn(bus: &str, Scope { account, region }: &Scope) -> String {
    match bus.starts_with("arn:") {
        true => bus.to_owned(),
        false => format!("arn:aws:events:{region}:{account}:event-bus/{bus}"),
    }
}
