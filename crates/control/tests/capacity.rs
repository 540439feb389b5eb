//! Capacity providers: how many there can be.

mod support;

use serde_json::json;
use support::start;
use tindra_core::limits::CAPACITY_PROVIDERS_MAX;
use tindra_store::{Batch, Precondition};

#[tokio::test]
async fn an_account_has_a_limited_number_of_them() {
    let fixture = start();
    // Only their number matters; the first request shows where they lie.
    let provider = |name: &str| {
        json!({
            "CapacityProviderName": name,
            "VpcConfig": { "SubnetIds": ["subnet-1"], "SecurityGroupIds": [] },
            "PermissionsConfig": { "CapacityProviderOperatorRoleArn": "arn:aws:iam::123456789012:role/operator" },
        })
    };
    let path = "/2025-11-30/capacity-providers";
    fixture.done("POST", path, provider("first")).await;
    let first = fixture.test.store.metadata.list("capacity-provider/", None, 2).await.unwrap().remove(0);
    let prefix = first.key.strip_suffix("first").unwrap();
    let fill = (2..CAPACITY_PROVIDERS_MAX).fold(Batch::default(), |batch, number| {
        batch.put(format!("{prefix}{number}"), Precondition::Absent, first.value.clone())
    });
    fixture.test.store.metadata.commit(fill).await.unwrap();
    fixture.done("POST", path, provider("last")).await;
    let (code, message) = fixture.refused("POST", path, provider("another")).await;
    assert_eq!(code, "CapacityProviderLimitExceededException");
    assert!(message.contains(&CAPACITY_PROVIDERS_MAX.to_string()), "{message}");
    fixture.done("DELETE", &format!("{path}/first"), serde_json::Value::Null).await;
    fixture.done("POST", path, provider("another")).await;
}
