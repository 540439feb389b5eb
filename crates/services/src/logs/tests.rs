//! Paging, tokens and errors, over a store in a directory of its own.

use proptest::prelude::{Strategy, any};
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::Value;
use tempfile::TempDir;
use tindra_core::clock::SystemClock;
use tindra_store::{Durability, LogEvent, StoreOptions};

use super::*;

struct Place {
    service: LogsService,
    scope: Scope,
    _directory: TempDir,
}

impl Place {
    /// With the group `g`, its streams `b`, `a`, … and the given events in each: time and text.
    async fn new(streams: &[(&str, Vec<(u64, String)>)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock::new());
        let options = StoreOptions { durability: Durability::Off, ..StoreOptions::default() };
        let store = Store::open_sqlite(directory.path(), options, clock.clone()).unwrap();
        let scope = Scope { account: "000000000000".into(), region: "us-east-1".into() };
        store.logs.create_group(&names::store_scope(&scope), "g").await.unwrap();
        for (stream, events) in streams {
            let event = |(timestamp_ms, message): &(u64, String)| LogEvent {
                timestamp_ms: *timestamp_ms,
                ingestion_ms: timestamp_ms + 1,
                message: message.clone(),
            };
            let events = events.iter().map(event).collect();
            store.logs.append(&names::store_scope(&scope), "g", stream, events).await.unwrap();
        }
        Self { service: LogsService::new(store, clock), scope, _directory: directory }
    }

    async fn answer(&self, operation: &str, input: Value) -> Value {
        self.service.answer(&self.scope, operation, input).await.unwrap()
    }

    async fn refusal(&self, operation: &str, input: Value) -> (String, String) {
        let error = self.service.answer(&self.scope, operation, input).await.unwrap_err();
        (error.code.to_owned(), error.message)
    }

    /// Every item of every page, following `nextToken`.
    async fn pages(&self, operation: &str, list: &str, input: Value) -> Vec<Value> {
        let (mut items, mut input) = (Vec::new(), input);
        loop {
            let page = self.answer(operation, input.clone()).await;
            let found = page[list].as_array().unwrap().clone();
            if let Some(limit) = input["limit"].as_u64() {
                assert!(found.len() as u64 <= limit);
            }
            items.extend(found);
            match page.get("nextToken") {
                Some(token) => input["nextToken"] = token.clone(),
                None => return items,
            }
        }
    }
}

fn numbered(count: u64) -> Vec<(u64, String)> {
    (0..count).map(|index| (index, format!("line {index}"))).collect()
}

fn texts(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["message"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn groups_and_streams_are_described_in_pages() {
    let place = Place::new(&[("b", numbered(2)), ("a", vec![(9, "nine".into())]), ("c/[$LATEST]1", vec![])]).await;
    for group in ["/aws/lambda/one", "/aws/lambda/two"] {
        place.answer("CreateLogGroup", json!({"logGroupName": group})).await;
    }
    let names = |items: &[Value], key: &str| {
        items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let groups = place.pages("DescribeLogGroups", "logGroups", json!({"limit": 1})).await;
    assert_eq!(names(&groups, "logGroupName"), ["/aws/lambda/one", "/aws/lambda/two", "g"]);
    assert_eq!(groups[2]["arn"], "arn:aws:logs:us-east-1:000000000000:log-group:g:*");
    assert_eq!(groups[2]["storedBytes"], 16);
    let groups = place.pages("DescribeLogGroups", "logGroups", json!({"logGroupNamePrefix": "/aws/lambda/t"})).await;
    assert_eq!(names(&groups, "logGroupName"), ["/aws/lambda/two"]);
    let groups = place.pages("DescribeLogGroups", "logGroups", json!({"logGroupNamePattern": "da/o"})).await;
    assert_eq!(names(&groups, "logGroupName"), ["/aws/lambda/one"]);
    for (input, expected) in [
        (json!({"logGroupName": "g", "limit": 1}), ["a", "b", "c/[$LATEST]1"]),
        (json!({"logGroupName": "g", "limit": 2, "descending": true}), ["c/[$LATEST]1", "b", "a"]),
        (json!({"logGroupName": "g", "limit": 1, "orderBy": "LastEventTime"}), ["c/[$LATEST]1", "b", "a"]),
        (
            json!({"logGroupName": "g", "limit": 1, "orderBy": "LastEventTime", "descending": true}),
            ["a", "b", "c/[$LATEST]1"],
        ),
        (json!({"logGroupIdentifier": "arn:aws:logs:us-east-1:000000000000:log-group:g"}), ["a", "b", "c/[$LATEST]1"]),
    ] {
        let streams = place.pages("DescribeLogStreams", "logStreams", input.clone()).await;
        assert_eq!(names(&streams, "logStreamName"), expected, "{input}");
    }
}

#[tokio::test]
async fn the_same_token_at_an_end_says_that_there_is_no_more() {
    let place = Place::new(&[("s", numbered(10))]).await;
    let ask = |token: Option<&str>| {
        let mut input = json!({"logGroupName": "g", "logStreamName": "s", "limit": 4});
        if let Some(token) = token {
            input["nextToken"] = token.into();
        }
        place.answer("GetLogEvents", input)
    };
    let last = ask(None).await;
    assert_eq!(texts(last["events"].as_array().unwrap()), ["line 6", "line 7", "line 8", "line 9"]);
    let forward = last["nextForwardToken"].as_str().unwrap().to_owned();
    let end = ask(Some(&forward)).await;
    assert!(end["events"].as_array().unwrap().is_empty());
    assert_eq!(end["nextForwardToken"], forward.as_str());
    let input = json!({"logGroupName": "g", "logStreamName": "s",
        "logEvents": [{"timestamp": 10, "message": "line 10"}]});
    place.answer("PutLogEvents", input).await;
    let more = ask(Some(&forward)).await;
    assert_eq!(texts(more["events"].as_array().unwrap()), ["line 10"], "and works again when there is");
    let (mut token, mut seen) = (last["nextBackwardToken"].as_str().unwrap().to_owned(), Vec::new());
    loop {
        let page = ask(Some(&token)).await;
        let next = page["nextBackwardToken"].as_str().unwrap().to_owned();
        if next == token {
            break;
        }
        let texts: Vec<String> = texts(page["events"].as_array().unwrap()).into_iter().map(str::to_owned).collect();
        seen = [texts, seen].concat();
        token = next;
    }
    assert_eq!(seen, ["line 0", "line 1", "line 2", "line 3", "line 4", "line 5"]);
}

#[tokio::test]
async fn times_are_inclusive_where_aws_has_them_so() {
    let place = Place::new(&[("s", numbered(10))]).await;
    let input = json!({"logGroupName": "g", "logStreamName": "s", "startTime": 3, "endTime": 5});
    for from_head in [true, false] {
        let mut input = input.clone();
        input["startFromHead"] = from_head.into();
        let page = place.answer("GetLogEvents", input).await;
        assert_eq!(texts(page["events"].as_array().unwrap()), ["line 3", "line 4"]);
    }
    let input = json!({"logGroupName": "g", "startTime": 3, "endTime": 5});
    let page = place.answer("FilterLogEvents", input).await;
    assert_eq!(texts(page["events"].as_array().unwrap()), ["line 3", "line 4", "line 5"]);
}

#[tokio::test]
async fn a_page_has_at_most_a_megabyte() {
    let large: Vec<_> = (0..20).map(|index| (index, "x".repeat(200_000))).collect();
    let place = Place::new(&[("s", large)]).await;
    let page = place.answer("GetLogEvents", json!({"logGroupName": "g", "logStreamName": "s"})).await;
    assert_eq!(page["events"].as_array().unwrap().len(), 5);
    let page = place.answer("FilterLogEvents", json!({"logGroupName": "g"})).await;
    assert_eq!(page["events"].as_array().unwrap().len(), 5);
    assert_eq!(place.pages("FilterLogEvents", "events", json!({"logGroupName": "g"})).await.len(), 20);
}

#[tokio::test]
async fn what_is_wrong_is_told_as_aws_tells_it() {
    let place = Place::new(&[("s", vec![])]).await;
    let (group, stream) = ("The specified log group does not exist.", "The specified log stream does not exist.");
    for (operation, input, code, message) in [
        ("DescribeLogStreams", json!({"logGroupName": "x"}), "ResourceNotFoundException", group),
        ("FilterLogEvents", json!({"logGroupName": "x"}), "ResourceNotFoundException", group),
        ("GetLogEvents", json!({"logGroupName": "x", "logStreamName": "s"}), "ResourceNotFoundException", group),
        ("GetLogEvents", json!({"logGroupName": "g", "logStreamName": "x"}), "ResourceNotFoundException", stream),
        ("FilterLogEvents", json!({"logGroupName": "g", "logStreamNames": ["x"]}), "ResourceNotFoundException", stream),
        ("DeleteLogGroup", json!({"logGroupName": "x"}), "ResourceNotFoundException", group),
        (
            "GetLogEvents",
            json!({"logGroupName": "g", "logStreamName": "s", "nextToken": "x"}),
            "InvalidParameterException",
            "The specified nextToken is invalid.",
        ),
        (
            "FilterLogEvents",
            json!({"logGroupName": "g", "nextToken": "1/2"}),
            "InvalidParameterException",
            "The specified nextToken is invalid.",
        ),
        (
            "FilterLogEvents",
            json!({"logGroupName": "g", "filterPattern": "{ $.a = }"}),
            "InvalidParameterException",
            "Invalid filter pattern: a comparison has no right side",
        ),
        (
            "CreateLogGroup",
            json!({"logGroupName": "g"}),
            "ResourceAlreadyExistsException",
            "The specified log group already exists",
        ),
        (
            "CreateLogStream",
            json!({"logGroupName": "g", "logStreamName": "s"}),
            "ResourceAlreadyExistsException",
            "The specified log stream already exists",
        ),
    ] {
        let refusal = place.refusal(operation, input).await;
        assert_eq!((refusal.0.as_str(), refusal.1.as_str()), (code, message), "{operation}");
    }
    assert_eq!(place.refusal("StartQuery", json!({})).await.0, "UnknownOperationException");
}

#[test]
fn pages_together_are_the_whole_in_order_without_doubles() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let events = proptest::collection::vec((0..30_u64, any::<bool>()), 0..40);
    let streams = proptest::collection::vec(events, 1..5);
    let cases = (streams, 1..9_u64, any::<bool>()).prop_map(|(streams, limit, errors)| (streams, limit, errors));
    let mut runner = TestRunner::new(Config { cases: 48, ..Config::default() });
    runner.run(&cases, |(streams, limit, errors)| runtime.block_on(check_pages(streams, limit, errors))).unwrap();
}

async fn check_pages(streams: Vec<Vec<(u64, bool)>>, limit: u64, errors: bool) -> Result<(), TestCaseError> {
    let mut whole = Vec::new();
    let mut content = Vec::new();
    let names = ["s0", "s1", "s2", "s3"];
    for (name, events) in names.iter().zip(&streams) {
        let text = |(index, (time, error)): (usize, &(u64, bool))| {
            (*time, format!("{} {name} {index}", if *error { "ERROR" } else { "info" }))
        };
        let events: Vec<(u64, String)> = events.iter().enumerate().map(text).collect();
        whole.extend(events.iter().enumerate().map(|(index, (time, text))| ((*time, *name, index), text.clone())));
        content.push((*name, events));
    }
    let place = Place::new(&content).await;
    whole.sort();
    whole.retain(|(_, text)| !errors || text.starts_with("ERROR"));
    let pattern = if errors { "ERROR" } else { "" };
    let input = json!({"logGroupName": "g", "limit": limit, "filterPattern": pattern});
    let filtered = place.pages("FilterLogEvents", "events", input).await;
    assert_eq!(texts(&filtered), whole.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>());
    let mut ids: Vec<_> = filtered.iter().map(|event| event["eventId"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), filtered.len(), "ids are unique");
    for (name, events) in &content {
        let mut input = json!({"logGroupName": "g", "logStreamName": name, "limit": limit, "startFromHead": true});
        let mut seen = Vec::new();
        loop {
            let page = place.answer("GetLogEvents", input.clone()).await;
            seen.extend(texts(page["events"].as_array().unwrap()).into_iter().map(str::to_owned));
            if input["nextToken"] == page["nextForwardToken"] {
                break;
            }
            input["nextToken"] = page["nextForwardToken"].clone();
        }
        assert_eq!(seen, events.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>());
    }
    Ok(())
}

#[tokio::test]
async fn ingested_lines_are_there_after_a_flush() {
    let place = Place::new(&[]).await;
    let ingest = place.service.ingest();
    ingest.flush().await;
    for index in 0..100 {
        ingest.append(
            &place.scope,
            "/aws/lambda/f",
            &format!("s{}", index % 3),
            vec![(index, format!("line {index}"))],
        );
    }
    ingest.flush().await;
    let events = place.pages("FilterLogEvents", "events", json!({"logGroupName": "/aws/lambda/f"})).await;
    assert_eq!(texts(&events), (0..100).map(|index| format!("line {index}")).collect::<Vec<_>>());
    assert_eq!(ingest.dropped(), 0);
}

#[tokio::test]
async fn a_flood_loses_its_own_lines_and_says_so() {
    let place = Place::new(&[]).await;
    let ingest = place.service.ingest();
    let line = "x".repeat(1_000);
    // Nothing is awaited, so the writer cannot run in between.
    for index in 0..10_000 {
        ingest.append(&place.scope, "loud", "s", vec![(index, line.clone())]);
    }
    ingest.append(&place.scope, "quiet", "s", vec![(1, "hello".into())]);
    ingest.flush().await;
    let quiet = place.pages("FilterLogEvents", "events", json!({"logGroupName": "quiet"})).await;
    assert_eq!(texts(&quiet), ["hello"]);
    assert!(ingest.dropped() > 5_000);
    let note = json!({"logGroupName": "loud", "filterPattern": "\"[tindra]\""});
    let note = place.pages("FilterLogEvents", "events", note).await;
    let expected =
        format!("[tindra] {} lines are missing here: they came faster than they could be stored", ingest.dropped());
    assert_eq!(texts(&note), [expected]);
}

#[tokio::test]
async fn the_writer_ends_with_its_last_handle() {
    let place = Place::new(&[]).await;
    let ingest = place.service.ingest();
    ingest.append(&place.scope, "f", "s", vec![(1, "last words".into())]);
    let Place { service, scope, _directory } = place;
    drop((ingest, service));
    // The directory can be opened again once the writer has let go of it.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    let store = loop {
        let options = StoreOptions { durability: Durability::Off, ..StoreOptions::default() };
        match Store::open_sqlite(_directory.path(), options, Arc::new(SystemClock::new())) {
            Ok(store) => break store,
            Err(error) if std::time::Instant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(store.logs.end(&names::store_scope(&scope), "f", "s").await.unwrap(), Some(1));
}

#[tokio::test]
async fn tags_and_retention_are_kept_and_old_events_go() {
    let day = 24 * 60 * 60 * 1_000;
    let old = vec![(1_000, "old".to_owned())];
    let new = vec![(40 * day, "new".to_owned())];
    let place = Place::new(&[("a", old), ("b", new)]).await;
    let arn = "arn:aws:logs:us-east-1:000000000000:log-group:g";
    assert_eq!(place.answer("ListTagsForResource", json!({ "resourceArn": arn })).await, json!({ "tags": {} }));
    place.answer("TagResource", json!({ "resourceArn": arn, "tags": { "team": "green", "a": "b" } })).await;
    place.answer("UntagResource", json!({ "resourceArn": format!("{arn}:*"), "tagKeys": ["a"] })).await;
    let tags = place.answer("ListTagsForResource", json!({ "resourceArn": arn })).await;
    assert_eq!(tags, json!({ "tags": { "team": "green" } }));

    let (code, _) = place.refusal("PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 2 })).await;
    assert_eq!(code, "InvalidParameterException");
    let (code, _) = place.refusal("PutRetentionPolicy", json!({ "logGroupName": "x", "retentionInDays": 3 })).await;
    assert_eq!(code, "ResourceNotFoundException");
    settings::expire(&place.service.store, 41 * day).await.unwrap();
    assert_eq!(place.pages("FilterLogEvents", "events", json!({ "logGroupName": "g" })).await.len(), 2);
    place.answer("PutRetentionPolicy", json!({ "logGroupName": "g", "retentionInDays": 30 })).await;
    let groups = place.answer("DescribeLogGroups", json!({})).await;
    assert_eq!(groups["logGroups"][0]["retentionInDays"], 30);
    settings::expire(&place.service.store, 41 * day).await.unwrap();
    let left = place.pages("FilterLogEvents", "events", json!({ "logGroupName": "g" })).await;
    assert_eq!(left.iter().map(|event| &event["message"]).collect::<Vec<_>>(), ["new"]);
    place.answer("DeleteRetentionPolicy", json!({ "logGroupName": "g" })).await;
    let groups = place.answer("DescribeLogGroups", json!({})).await;
    assert!(groups["logGroups"][0].get("retentionInDays").is_none());

    place.answer("DeleteLogGroup", json!({ "logGroupName": "g" })).await;
    place.answer("CreateLogGroup", json!({ "logGroupName": "g", "tags": { "new": "one" } })).await;
    let tags = place.answer("ListTagsForResource", json!({ "resourceArn": arn })).await;
    assert_eq!(tags, json!({ "tags": { "new": "one" } }));
}
