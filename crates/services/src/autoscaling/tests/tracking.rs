//! Target tracking, minute by minute.

use super::*;

fn policy(members: Value) -> Value {
    let mut configuration = json!({
        "TargetValue": 0.7,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "LambdaProvisionedConcurrencyUtilization"},
    });
    for (name, value) in members.as_object().unwrap() {
        configuration[name] = value.clone();
    }
    json!({
        "PolicyName": "p",
        "PolicyType": "TargetTrackingScaling",
        "TargetTrackingScalingPolicyConfiguration": configuration,
    })
}

async fn tracked(min: u32, max: u32, members: Value) -> Place {
    let mut place = Place::new().await;
    place.register(min, max).await;
    place.answer("PutScalingPolicy", policy(members)).await;
    place.look().await;
    place
}

#[tokio::test]
async fn a_load_is_followed_up_and_down_again() {
    let mut place = tracked(10, 100, json!({})).await;
    place.minutes(2, 9).await;
    assert_eq!(place.capacity(), 10, "two minutes are not enough");
    place.minutes(1, 9).await;
    assert_eq!(place.capacity(), 13);
    let policies = place.answer("DescribeScalingPolicies", json!({})).await;
    let alarm = policies["ScalingPolicies"][0]["Alarms"][0]["AlarmName"].as_str().unwrap().to_owned();
    assert!(alarm.starts_with("TargetTracking-function:f:live-AlarmHigh-"), "{alarm}");
    assert_eq!(
        place.last_activity().await,
        [
            "Setting desired concurrency to 13.".to_owned(),
            format!("monitor alarm {alarm} in state ALARM triggered policy p"),
            "Successful".to_owned(),
            "Successfully set desired concurrency to 13. Change successfully fulfilled by lambda.".to_owned(),
        ]
    );
    place.minutes(20, 9).await;
    assert_eq!(place.capacity(), 13, "it stays where the target is met");
    place.minutes(10, 60).await;
    assert_eq!(place.capacity(), 86, "60 of 86 are 70 per cent");
    // What ran until the first of them belongs to it.
    place.minutes(1 + 14, 0).await;
    assert_eq!(place.capacity(), 86, "fourteen minutes are not enough");
    place.minutes(1, 0).await;
    assert_eq!(place.capacity(), 78, "a tenth goes at once");
    place.minutes(60, 0).await;
    assert_eq!(place.capacity(), 10, "down to the smallest");
}

#[tokio::test]
async fn what_a_minute_peaked_at_counts_and_not_what_it_ended_with() {
    let mut place = tracked(10, 100, json!({})).await;
    for _ in 0..3 {
        for busy in [0, 10, 0] {
            *place.lambda.busy.lock().unwrap() = busy;
            place.pass(Duration::from_secs(20)).await;
        }
    }
    assert_eq!(place.capacity(), 15);
}

#[tokio::test]
async fn cooldowns_and_switches_hold_a_policy_back() {
    let mut place = tracked(10, 100, json!({"ScaleOutCooldown": 600, "ScaleInCooldown": 300})).await;
    place.minutes(3, 100).await;
    assert_eq!(place.capacity(), 15);
    place.minutes(9, 100).await;
    assert_eq!(place.capacity(), 15, "the ten minutes are not over");
    place.minutes(1, 100).await;
    assert_eq!(place.capacity(), 22);
    place.minutes(15, 0).await;
    assert_eq!(place.capacity(), 20);
    place.minutes(4, 0).await;
    assert_eq!(place.capacity(), 20, "the five minutes are not over");
    place.minutes(1, 0).await;
    assert_eq!(place.capacity(), 18);

    let suspend = |within, out| {
        let state = json!({"DynamicScalingInSuspended": within, "DynamicScalingOutSuspended": out});
        json!({ "SuspendedState": state })
    };
    place.answer("RegisterScalableTarget", suspend(true, true)).await;
    place.minutes(30, 0).await;
    assert_eq!(place.capacity(), 18, "nothing goes while that is suspended");
    place.minutes(30, 18).await;
    assert_eq!(place.capacity(), 18, "nor does anything come");
    place.answer("RegisterScalableTarget", suspend(true, false)).await;
    place.minutes(1, 18).await;
    assert_eq!(place.capacity(), 26);
    let targets = place.answer("DescribeScalableTargets", json!({"ResourceIds": [LIVE]})).await;
    assert_eq!(
        targets["ScalableTargets"][0]["SuspendedState"],
        json!({
            "DynamicScalingInSuspended": true, "DynamicScalingOutSuspended": false, "ScheduledScalingSuspended": false
        })
    );
}

#[tokio::test]
async fn a_policy_that_may_not_scale_in_has_one_alarm() {
    let mut place = tracked(1, 100, json!({"DisableScaleIn": true})).await;
    place.lambda.provision(&scaled(), 50).await;
    place.minutes(60, 0).await;
    assert_eq!(place.capacity(), 50);
    let policies = place.answer("DescribeScalingPolicies", json!({})).await;
    assert_eq!(policies["ScalingPolicies"][0]["Alarms"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_alarm_that_the_bounds_leave_without_effect_is_told_of_once_to_who_asks() {
    let mut place = tracked(10, 12, json!({})).await;
    place.minutes(30, 100).await;
    assert_eq!(place.capacity(), 12);
    let seen = place.activities().await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    let all = json!({"IncludeNotScaledActivities": true});
    let all = place.pages("DescribeScalingActivities", "ScalingActivities", all).await;
    assert_eq!(all.len(), 3);
    assert_eq!(all[0]["Description"], "Attempting to scale due to alarm triggered");
    assert_eq!(all[0]["NotScaledReasons"], json!([{"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 12}]));
    place.minutes(30, 0).await;
    let all = json!({"IncludeNotScaledActivities": true});
    let all = place.pages("DescribeScalingActivities", "ScalingActivities", all).await;
    assert_eq!(all[0]["NotScaledReasons"], json!([{"Code": "AlreadyAtMinCapacity", "MinCapacity": 10}]));
}

#[tokio::test]
async fn nothing_is_decided_while_a_change_goes_on() {
    let mut place = tracked(10, 100, json!({})).await;
    *place.lambda.status.lock().unwrap() = (ProvisionedStatus::InProgress, None);
    place.minutes(10, 100).await;
    assert_eq!(*place.lambda.asked.lock().unwrap(), [10, 15]);
    *place.lambda.status.lock().unwrap() = (ProvisionedStatus::Ready, None);
    place.lambda.provision(&scaled(), 15).await;
    place.pass(Duration::from_secs(1)).await;
    place.minutes(2, 100).await;
    assert_eq!(*place.lambda.asked.lock().unwrap(), [10, 15, 22, 32]);
}

#[tokio::test]
async fn minutes_begin_anew_with_another_server() {
    let mut place = tracked(10, 100, json!({})).await;
    place.minutes(2, 10).await;
    place.restart();
    place.look().await;
    place.minutes(2, 10).await;
    assert_eq!(place.capacity(), 10);
    place.minutes(1, 10).await;
    assert_eq!(place.capacity(), 15);
}

#[tokio::test]
async fn without_a_policy_a_load_moves_nothing() {
    let mut place = tracked(10, 100, json!({})).await;
    place.answer("DeleteScalingPolicy", json!({"PolicyName": "p"})).await;
    place.minutes(10, 100).await;
    assert_eq!(place.capacity(), 10);
}
