//! A FIFO queue against a list that says what must come of it: order, visibility, deduplication.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::Place;

const VISIBILITY_S: u64 = 30;
const DEDUPLICATION_MS: u64 = 300_000;

#[derive(Clone, Debug)]
enum Step {
    Send { group: u8, id: u8 },
    Receive(usize),
    Delete(usize),
    Hide { place: usize, seconds: u64 },
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..3_u8, 0..30_u8).prop_map(|(group, id)| Step::Send { group, id }),
        4 => (1..5_usize).prop_map(Step::Receive),
        3 => any::<usize>().prop_map(Step::Delete),
        1 => (any::<usize>(), 0..60_u64).prop_map(|(place, seconds)| Step::Hide { place, seconds }),
        2 => prop_oneof![3 => 0..20_000_u64, 1 => 100_000..400_000_u64].prop_map(Step::Advance),
    ]
}

#[derive(Clone, Debug)]
struct Sent {
    body: String,
    group: u8,
    receives: u64,
    visible_ms: u64,
    ready_order: u64,
}

#[derive(Default)]
struct Model {
    now_ms: u64,
    sent: u64,
    waiting: Vec<Sent>,
    ids: BTreeMap<u8, u64>,
    /// Body, how often it had been received by then, and the handle.
    handles: Vec<(String, u64, String)>,
}

impl Model {
    /// Whether a message of the group is in somebody's hands.
    fn is_held_up(&self, group: u8) -> bool {
        self.waiting.iter().any(|sent| sent.group == group && sent.visible_ms > self.now_ms)
    }

    fn holder(&mut self, place: usize) -> Option<(String, Option<usize>)> {
        let recent = &self.handles[self.handles.len().saturating_sub(6)..];
        let (body, receives, handle) = recent.get(place % recent.len().max(1))?.clone();
        let now_ms = self.now_ms;
        let is_held = |sent: &Sent| sent.body == body && sent.receives == receives && sent.visible_ms > now_ms;
        Some((handle, self.waiting.iter().position(is_held)))
    }
}

#[test]
fn random_operations_agree_with_a_list() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, ..Config::default() });
    let run = runner.run(&proptest::collection::vec(step(), 1..50), |steps| {
        runtime.block_on(run(steps));
        Ok(())
    });
    run.unwrap();
}

async fn run(steps: Vec<Step>) {
    let place = Place::new(false);
    let url = place.create("q.fifo", json!({"FifoQueue": "true", "VisibilityTimeout": VISIBILITY_S.to_string()})).await;
    let mut model = Model { now_ms: 1_735_732_800_000, ..Model::default() };
    for step in steps {
        match step {
            Step::Send { group, id } => send(&place, &mut model, &url, group, id).await,
            Step::Receive(most) => receive(&place, &mut model, &url, most).await,
            Step::Delete(at) => {
                let Some((handle, held)) = model.holder(at) else { continue };
                let deleted = place.ask("DeleteMessage", json!({"QueueUrl": url, "ReceiptHandle": handle})).await;
                match held {
                    Some(held) => {
                        assert!(deleted.is_ok());
                        model.waiting.remove(held);
                    }
                    // Gone already, or the handle is too old.
                    None => assert!(deleted.is_ok() || deleted.unwrap_err() == "InvalidParameterValueException"),
                }
            }
            Step::Hide { place: at, seconds } => {
                let Some((handle, held)) = model.holder(at) else { continue };
                let input = json!({"QueueUrl": url, "ReceiptHandle": handle, "VisibilityTimeout": seconds});
                let hidden = place.ask("ChangeMessageVisibility", input).await;
                assert_eq!(hidden.is_ok(), held.is_some());
                if let Some(held) = held {
                    model.waiting[held].visible_ms = model.now_ms + seconds * 1_000;
                }
            }
            Step::Advance(ms) => {
                place.advance(ms);
                model.now_ms += ms;
            }
        }
    }
}

async fn send(place: &Place, model: &mut Model, url: &str, group: u8, id: u8) {
    let body = model.sent.to_string();
    let input = json!({
        "QueueUrl": url, "MessageBody": body, "MessageGroupId": format!("g{group}"),
        "MessageDeduplicationId": format!("d{id}"),
    });
    place.ask("SendMessage", input).await.unwrap();
    model.sent += 1;
    let until_ms = model.ids.entry(id).or_default();
    if *until_ms <= model.now_ms {
        *until_ms = model.now_ms + DEDUPLICATION_MS;
        let ready_order = model.sent;
        model.waiting.push(Sent { body, group, receives: 0, visible_ms: model.now_ms, ready_order });
    }
}

/// Which groups come first is the queue's affair; what comes of each is not.
async fn receive(place: &Place, model: &mut Model, url: &str, most: usize) {
    let received: Vec<Value> = place.receive(url, most).await;
    let open: BTreeSet<u8> =
        model.waiting.iter().map(|sent| sent.group).filter(|group| !model.is_held_up(*group)).collect();
    let available = model.waiting.iter().filter(|sent| open.contains(&sent.group)).count();
    assert_eq!(received.len(), available.min(most));
    let mut order: BTreeMap<u8, u64> = BTreeMap::new();
    for message in received {
        let body = message["Body"].as_str().unwrap();
        let group = message["Attributes"]["MessageGroupId"].as_str().unwrap();
        let first = model.waiting.iter().position(|sent| {
            open.contains(&sent.group) && format!("g{}", sent.group) == group && sent.visible_ms <= model.now_ms
        });
        let sent = &mut model.waiting[first.unwrap()];
        assert_eq!(sent.body, body, "the first of its group that nobody has");
        assert!(order.insert(sent.group, sent.ready_order).is_none_or(|before| before < sent.ready_order));
        sent.receives += 1;
        assert_eq!(message["Attributes"]["ApproximateReceiveCount"], sent.receives.to_string());
        sent.visible_ms = model.now_ms + VISIBILITY_S * 1_000;
        let handle = message["ReceiptHandle"].as_str().unwrap().to_owned();
        model.handles.push((body.to_owned(), sent.receives, handle));
    }
}
