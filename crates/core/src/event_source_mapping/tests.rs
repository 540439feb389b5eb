//! Kinds from ARNs, the ends of transitions, and what makes two sources the same.

use uuid::Uuid;

use super::{EventSource, EventSourceMapping, MappingSettings, MappingState, SourceKind};
use crate::function::Scope;

fn mapping(state: MappingState, is_enabled: bool) -> EventSourceMapping {
    let arn = "arn:aws:sqs:eu-west-1:123456789012:jobs".to_owned();
    EventSourceMapping {
        uuid: Uuid::nil(),
        scope: Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() },
        function_name: "thing".to_owned(),
        qualifier: None,
        source: EventSource {
            kind: SourceKind::Sqs,
            arn: Some(arn),
            bootstrap_servers: Vec::new(),
            topics: Vec::new(),
            queues: Vec::new(),
            starting_position: None,
        },
        settings: MappingSettings::new(SourceKind::Sqs, Uuid::nil()),
        is_enabled,
        state,
        last_modified_ms: 0,
        tags: std::collections::BTreeMap::new(),
    }
}

#[test]
fn arns_tell_the_kind() {
    for (arn, kind) in [
        ("arn:aws:sqs:eu-west-1:123456789012:jobs", Some(SourceKind::Sqs)),
        ("arn:aws:sqs:eu-west-1:123456789012:jobs.fifo", Some(SourceKind::SqsFifo)),
        ("arn:aws:kinesis:eu-west-1:123456789012:stream/clicks", Some(SourceKind::Kinesis)),
        ("arn:aws:kinesis:eu-west-1:123456789012:stream/clicks/consumer/me:17", Some(SourceKind::Kinesis)),
        ("arn:aws:dynamodb:eu-west-1:123456789012:table/t/stream/2026-01-01T00:00:00.000", Some(SourceKind::DynamoDb)),
        ("arn:aws:dynamodb:eu-west-1:123456789012:table/t", None),
        ("arn:aws:kafka:eu-west-1:123456789012:cluster/c/abc-1", Some(SourceKind::Msk)),
        ("arn:aws:mq:eu-west-1:123456789012:broker:b:b-1", Some(SourceKind::Mq)),
        ("arn:aws:rds:eu-west-1:123456789012:cluster:docs", Some(SourceKind::DocumentDb)),
        ("arn:aws:sns:eu-west-1:123456789012:news", None),
        ("arn:aws:sqs:::jobs", None),
        ("jobs", None),
    ] {
        assert_eq!(SourceKind::of_arn(arn), kind, "{arn}");
    }
}

#[test]
fn transitions_end_where_they_were_going() {
    assert_eq!(mapping(MappingState::Creating, true).settled(), Some(MappingState::Enabled));
    assert_eq!(mapping(MappingState::Creating, false).settled(), Some(MappingState::Disabled));
    assert_eq!(mapping(MappingState::Updating, false).settled(), Some(MappingState::Disabled));
    assert_eq!(mapping(MappingState::Disabling, false).settled(), Some(MappingState::Disabled));
    assert_eq!(mapping(MappingState::Enabling, true).settled(), Some(MappingState::Enabled));
    assert_eq!(mapping(MappingState::Deleting, true).settled(), None);
}

#[test]
fn the_order_of_servers_makes_no_other_source() {
    let mut one = mapping(MappingState::Enabled, true);
    one.source.bootstrap_servers = vec!["a:9092".to_owned(), "b:9092".to_owned()];
    let mut other = one.clone();
    other.source.bootstrap_servers.reverse();
    assert_eq!(one.pair_key(), other.pair_key());
    other.qualifier = Some("live".to_owned());
    assert_ne!(one.pair_key(), other.pair_key());
}
