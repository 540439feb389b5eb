//! Scheduled actions, by the clock that the test holds.

use super::*;

const HOUR: Duration = Duration::from_secs(3_600);

async fn put(place: &Place, name: &str, schedule: &str, members: Value) {
    let mut request = json!({
        "ScheduledActionName": name,
        "Schedule": schedule,
        "ScalableTargetAction": {"MinCapacity": 5, "MaxCapacity": 50},
    });
    for (member, value) in members.as_object().unwrap() {
        request[member] = value.clone();
    }
    place.answer("PutScheduledAction", request).await;
}

async fn bounds(place: &Place) -> (u64, u64) {
    let targets = place.answer("DescribeScalableTargets", json!({"ResourceIds": [LIVE]})).await;
    let target = &targets["ScalableTargets"][0];
    (target["MinCapacity"].as_u64().unwrap(), target["MaxCapacity"].as_u64().unwrap())
}

async fn registered() -> Place {
    let mut place = Place::new().await;
    place.register(1, 10).await;
    place.look().await;
    place
}

#[tokio::test]
async fn an_action_sets_the_bounds_and_moves_the_capacity_into_them() {
    let mut place = registered().await;
    put(&place, "morning", "at(2025-01-01T14:00:00)", json!({"Timezone": "Europe/Berlin"})).await;
    place.pass(HOUR - Duration::from_millis(1)).await;
    assert_eq!((bounds(&place).await, place.capacity()), ((1, 10), 1), "not yet 14:00 in Berlin");
    place.pass(Duration::from_millis(1)).await;
    assert_eq!((bounds(&place).await, place.capacity()), ((5, 50), 5));
    let told: Vec<[Value; 3]> = place
        .activities()
        .await
        .iter()
        .map(|one| ["Description", "Cause", "StatusMessage"].map(|member| one[member].clone()))
        .collect();
    assert_eq!(told[0][1], "minimum capacity was set to 5");
    assert_eq!(
        told[1],
        [
            "Setting min capacity to 5 and max capacity to 50",
            "scheduled action name morning was triggered",
            "Successfully set min capacity to 5 and max capacity to 50",
        ]
    );
    place.pass(24 * HOUR).await;
    assert_eq!(place.activities().await.len(), 3, "it acts once");
    let actions = place.answer("DescribeScheduledActions", json!({})).await;
    assert_eq!(actions["ScheduledActions"][0]["Schedule"], "at(2025-01-01T14:00:00)", "and stays listed");
}

#[tokio::test]
async fn days_go_up_in_the_morning_and_down_at_night() {
    let mut place = registered().await;
    put(&place, "up", "cron(0 8 ? * MON-FRI *)", json!({"ScalableTargetAction": {"MinCapacity": 8}})).await;
    put(
        &place,
        "down",
        "cron(0 20 ? * MON-FRI *)",
        json!({"ScalableTargetAction": {"MinCapacity": 0, "MaxCapacity": 0}}),
    )
    .await;
    put(&place, "range", "cron(59 7 ? * MON-FRI *)", json!({"ScalableTargetAction": {"MaxCapacity": 20}})).await;
    let mut capacities = Vec::new();
    for _ in 0..72 {
        place.pass(HOUR).await;
        capacities.push(place.capacity());
    }
    // From 13:00 on Wednesday to noon on Saturday.
    let expected = [vec![1; 7], vec![0; 12], vec![8; 12], vec![0; 12], vec![8; 12], vec![0; 17]].concat();
    assert_eq!(capacities, expected);
}

#[tokio::test]
async fn a_pace_acts_again_and_again_within_its_start_and_end() {
    let mut place = registered().await;
    let start_s = START_MS / 1_000;
    let times = json!({"StartTime": start_s + 600, "EndTime": start_s + 1_200});
    put(&place, "often", "rate(5 minutes)", times).await;
    let mut firings = Vec::new();
    for minute in 1..=30 {
        let before = place.activities().await.len();
        place.pass(Duration::from_secs(60)).await;
        place.register(1, 10).await;
        if place.activities().await.len() > before {
            firings.push(minute);
        }
    }
    assert_eq!(firings, [10, 15, 20]);
}

#[tokio::test]
async fn what_was_missed_is_not_made_up_for() {
    let mut place = registered().await;
    put(&place, "hourly", "cron(0 * * * ? *)", json!({})).await;
    put(&place, "once", "at(2025-01-01T14:30:00)", json!({})).await;
    place.clock.advance(3 * HOUR + Duration::from_secs(1));
    place.restart();
    place.look().await;
    assert_eq!(bounds(&place).await, (1, 10), "nobody was there");
    place.pass(HOUR).await;
    assert_eq!(bounds(&place).await, (5, 50), "but for the next one");
}

#[tokio::test]
async fn many_firings_at_one_look_are_one() {
    let mut place = registered().await;
    put(&place, "often", "rate(1 minute)", json!({})).await;
    place.pass(HOUR).await;
    assert_eq!(place.activities().await.len(), 3, "the first registration, the action, the move");
}

#[tokio::test]
async fn suspended_actions_pass_by() {
    let mut place = registered().await;
    put(&place, "hourly", "cron(0 * * * ? *)", json!({})).await;
    let suspend = |is_suspended| json!({"SuspendedState": {"ScheduledScalingSuspended": is_suspended}});
    place.answer("RegisterScalableTarget", suspend(true)).await;
    place.pass(HOUR).await;
    assert_eq!(bounds(&place).await, (1, 10));
    place.answer("RegisterScalableTarget", suspend(false)).await;
    place.pass(Duration::from_secs(60)).await;
    assert_eq!(bounds(&place).await, (1, 10), "what passed by does not come back");
    place.pass(HOUR).await;
    assert_eq!(bounds(&place).await, (5, 50));
}

#[tokio::test]
async fn bounds_that_cross_are_a_failed_activity() {
    let mut place = registered().await;
    put(&place, "high", "rate(1 hour)", json!({"ScalableTargetAction": {"MinCapacity": 11}})).await;
    place.pass(HOUR).await;
    assert_eq!(bounds(&place).await, (1, 10));
    assert_eq!(
        place.last_activity().await,
        [
            "Setting min capacity to 11",
            "scheduled action name high was triggered",
            "Failed",
            "Failed to set min capacity to 11. Reason: maximum capacity cannot be less than minimum capacity.",
        ]
    );
}

#[tokio::test]
async fn an_update_keeps_what_it_does_not_name_but_for_start_and_end() {
    let place = registered().await;
    let start_s = START_MS / 1_000 + 60;
    put(&place, "a", "rate(1 hour)", json!({"Timezone": "Asia/Tokyo", "StartTime": start_s})).await;
    let before = place.answer("DescribeScheduledActions", json!({})).await["ScheduledActions"][0].clone();
    assert_eq!(before["StartTime"].as_f64().unwrap() as u64, start_s);
    let update = json!({"ScheduledActionName": "a", "ScalableTargetAction": {"MaxCapacity": 7}});
    place.answer("PutScheduledAction", update).await;
    let after = place.answer("DescribeScheduledActions", json!({})).await["ScheduledActions"][0].clone();
    for member in ["ScheduledActionARN", "Schedule", "Timezone", "CreationTime"] {
        assert_eq!(before[member], after[member], "{member}");
    }
    assert_eq!(after["ScalableTargetAction"], json!({"MaxCapacity": 7}));
    assert!(after.get("StartTime").is_none());
}
