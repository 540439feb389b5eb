//! The figures of asynchronous invokes at `/metrics`, under CloudWatch's names, and of pushes.

use std::time::Duration;

use metrics::Label;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::function::Scope;
use tindra_core::push::Push;

fn labels(scope: &Scope, function: &str) -> [Label; 3] {
    [
        Label::new("account", scope.account.clone()),
        Label::new("region", scope.region.clone()),
        Label::new("function", function.to_owned()),
    ]
}

/// `AsyncEventsReceived`: an event was accepted.
pub(crate) fn received(scope: &Scope, function: &str) {
    metrics::counter!("tindra_async_events_received_total", labels(scope, function).iter()).increment(1);
}

/// `AsyncEventAge`: an attempt begins with an event of this age.
pub(crate) fn age(scope: &Scope, function: &str, age_ms: u64) {
    metrics::histogram!("tindra_async_event_age_seconds", labels(scope, function).iter())
        .record(Duration::from_millis(age_ms).as_secs_f64());
}

/// `AsyncEventsDropped`: an event was given up.
pub(crate) fn dropped(scope: &Scope, function: &str) {
    metrics::counter!("tindra_async_events_dropped_total", labels(scope, function).iter()).increment(1);
}

/// `DeadLetterErrors`: a dead letter could not be delivered.
pub(crate) fn dead_letter_failed(scope: &Scope, function: &str) {
    metrics::counter!("tindra_dead_letter_errors_total", labels(scope, function).iter()).increment(1);
}

/// `DestinationDeliveryFailures`: a record could not be delivered.
pub(crate) fn delivery_failed(scope: &Scope, function: &str) {
    metrics::counter!("tindra_destination_delivery_failures_total", labels(scope, function).iter()).increment(1);
}

/// A dead letter or a record was given up for good.
pub(crate) fn delivery_given_up(scope: &Scope, function: &str) {
    metrics::counter!("tindra_deliveries_given_up_total", labels(scope, function).iter()).increment(1);
}

fn labels_of(push: &Push) -> [Label; 3] {
    let scope = &push.source.scope;
    [
        Label::new("account", scope.account.clone()),
        Label::new("region", scope.region.clone()),
        Label::new("source", push.source.principal.clone()),
    ]
}

/// An attempt of a push failed.
pub(crate) fn push_failed(push: &Push) {
    metrics::counter!("tindra_push_failures_total", labels_of(push).iter()).increment(1);
}

/// A push was given up for good; it is in its dead-letter queue, if it has one.
pub(crate) fn push_given_up(push: &Push) {
    metrics::counter!("tindra_pushes_given_up_total", labels_of(push).iter()).increment(1);
}

fn labels_of_mapping(mapping: &EventSourceMapping) -> [Label; 4] {
    let [account, region, function] = labels(&mapping.scope, &mapping.function_name);
    [account, region, function, Label::new("mapping", mapping.uuid.to_string())]
}

fn count(name: &'static str, mapping: &EventSourceMapping, records: usize) {
    if records > 0 {
        metrics::counter!(name, labels_of_mapping(mapping).iter()).increment(records as u64);
    }
}

/// `PolledEventCount`: records were taken from a source.
pub(crate) fn polled(mapping: &EventSourceMapping, records: usize) {
    count("tindra_event_source_polled_total", mapping, records);
}

/// `FilteredOutEventCount`: no filter let records pass.
pub(crate) fn filtered_out(mapping: &EventSourceMapping, records: usize) {
    count("tindra_event_source_filtered_out_total", mapping, records);
}

/// A function is done with records.
pub(crate) fn done(mapping: &EventSourceMapping, records: usize) {
    count("tindra_event_source_done_total", mapping, records);
}

/// `FailedInvokeEventCount`: a function failed with records.
pub(crate) fn failed(mapping: &EventSourceMapping, records: usize) {
    count("tindra_event_source_failed_total", mapping, records);
}

/// `DroppedEventCount`, and records whose destination was told: they were given up.
pub(crate) fn discarded(mapping: &EventSourceMapping, records: usize) {
    count("tindra_event_source_discarded_total", mapping, records);
}

/// `IteratorAge`: how old the last record is that a function is given.
pub(crate) fn iterator_age(mapping: &EventSourceMapping, age_ms: u64) {
    metrics::histogram!("tindra_event_source_iterator_age_seconds", labels_of_mapping(mapping).iter())
        .record(Duration::from_millis(age_ms).as_secs_f64());
}
