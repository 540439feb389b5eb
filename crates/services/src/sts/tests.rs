//! Sessions end, and are gone some time after.

use std::sync::atomic::Ordering;

use super::*;
use crate::iam::tests::{Place, TRUST};

async fn assume(place: &Place, sts: &StsService, duration_s: u32) -> String {
    let input = json!({
        "RoleArn": "arn:aws:iam::000000000000:role/r",
        "RoleSessionName": "session",
        "DurationSeconds": duration_s,
        "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/ReadOnlyAccess"}],
    });
    let answer = sts.answer(&place.caller, "AssumeRole", input).await.unwrap();
    answer["Credentials"]["AccessKeyId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn sessions_that_ended_make_room_for_new_ones() {
    let place = Place::new();
    let sts = StsService::new(place.store.clone(), place.clock.clone(), place.iam.clone());
    place.answer("CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": TRUST})).await;
    let (short, long) = (assume(&place, &sts, 900).await, assume(&place, &sts, 3_600).await);
    let found = place.iam.find_key(&short).await.unwrap().unwrap();
    assert_eq!(found.expires_ms, Some(place.clock.unix_ms() + 900_000));
    assert_eq!(found.session_policies[0].name, "ReadOnlyAccess");
    assert!(found.session_token.is_some());

    place.clock.0.fetch_add(900_001, Ordering::Relaxed);
    assert!(place.iam.find_key(&short).await.unwrap().is_some());
    let new = assume(&place, &sts, 900).await;
    assert!(place.iam.find_key(&short).await.unwrap().is_none());
    assert!(place.iam.find_key(&long).await.unwrap().is_some());
    assert!(place.iam.find_key(&new).await.unwrap().is_some());
    let left = place.store.metadata.list("iam/session", None, 10).await.unwrap();
    assert_eq!(left.len(), 4, "a record and an ending for each of two");
}

#[tokio::test]
async fn a_session_ends_with_its_role() {
    let place = Place::new();
    let sts = StsService::new(place.store.clone(), place.clock.clone(), place.iam.clone());
    place.answer("CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": TRUST})).await;
    let id = assume(&place, &sts, 900).await;
    assert!(place.iam.find_key(&id).await.unwrap().is_some());
    place.answer("DeleteRole", json!({"RoleName": "r"})).await;
    assert!(place.iam.find_key(&id).await.unwrap().is_none());
    place.answer("CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": TRUST})).await;
    assert!(place.iam.find_key(&id).await.unwrap().is_none());
}

#[tokio::test]
async fn the_account_itself_gets_an_hour_at_most() {
    let place = Place::new();
    let sts = StsService::new(place.store.clone(), place.clock.clone(), place.iam.clone());
    let answer = sts.answer(&place.caller, "GetSessionToken", json!({"DurationSeconds": 7_200})).await.unwrap();
    assert_eq!(answer["Credentials"]["Expiration"], place.clock.unix_ms() / 1_000 + 3_600);
    let chained = Identity { is_temporary: true, ..place.caller.clone() };
    assert_eq!(sts.answer(&chained, "GetSessionToken", json!({})).await.unwrap_err().code, "AccessDeniedException");
}
