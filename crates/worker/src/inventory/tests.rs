//! The course of a card, and what the list forgets.

use super::*;

use tindra_core::report::Initialization;

use crate::spares::Origin;

const SECOND: Duration = Duration::from_secs(1);

fn card(inventory: &Inventory, name: &str, began: Duration) -> Arc<Card> {
    let function = tindra_testkit::active_function(&tindra_testkit::scope(), name);
    let target = Arc::new(Target::of(&function, &function.desired));
    let card = Card::new(&target, Initialization::OnDemand, began);
    inventory.add(&card);
    card
}

fn counted(inventory: &Inventory, state: State) -> usize {
    inventory.count().iter().find(|(counted, _)| *counted == state).map_or(0, |(_, count)| *count)
}

#[test]
fn a_card_tells_the_course_of_an_environment() {
    let inventory = Inventory::default();
    let card = card(&inventory, "f", SECOND);
    let listed = |now: Duration| inventory.list(now).pop().unwrap();
    let starting = listed(SECOND);
    assert_eq!((starting.state, starting.age_ms, starting.idle_ms), (State::Starting, 0, None));
    assert_eq!(starting.owner.unwrap().start, None);

    card.made(Origin::Fork, "stream");
    let owner = listed(2 * SECOND).owner.unwrap();
    assert_eq!((owner.start, owner.log_stream.as_deref(), owner.invokes), (Some("fork"), Some("stream"), 0));
    assert_eq!(counted(&inventory, State::Initialising), 1);

    card.idle(3 * SECOND);
    let idle = listed(5 * SECOND);
    assert_eq!((idle.state, idle.age_ms, idle.idle_ms, idle.memory_bytes), (State::Idle, 4_000, Some(2_000), 0));

    card.busy();
    let busy = listed(6 * SECOND);
    assert_eq!((busy.state, busy.idle_ms, busy.owner.unwrap().invokes), (State::Busy, None, 1));
    assert_eq!((counted(&inventory, State::Busy), counted(&inventory, State::Idle)), (1, 0));
}

#[test]
fn what_has_gone_is_neither_listed_nor_kept() {
    let inventory = Inventory::default();
    let kept = card(&inventory, "kept", SECOND);
    (0..1_000).for_each(|_| drop(card(&inventory, "gone", SECOND)));
    assert_eq!(inventory.list(SECOND).len(), 1);
    assert!(inventory.cards.lock().unwrap().len() < 10);
    drop(kept);
    assert!(inventory.list(SECOND).is_empty());
}

#[test]
fn json_has_an_owner_s_members_beside_the_others_and_none_for_a_spare() {
    let inventory = Inventory::default();
    let card = card(&inventory, "f", SECOND);
    card.made(Origin::Spare, "stream");
    let mut listed = inventory.list(SECOND).pop().unwrap();
    let json = serde_json::to_value(&listed).unwrap();
    assert_eq!(
        (&json["function"], &json["version"], &json["state"]),
        (&"f".into(), &"$LATEST".into(), &"initialising".into())
    );
    (listed.owner, listed.state) = (None, State::Waiting);
    let json = serde_json::to_value(&listed).unwrap();
    assert_eq!((json.get("function"), &json["state"]), (None, &"waiting".into()));
}
