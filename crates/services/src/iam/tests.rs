//! What the front door learns, over a store in a directory of its own; the API itself is tested from outside.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use proptest::prelude::{Strategy, any, prop};
use proptest::proptest;
use tempfile::TempDir;
use tindra_core::clock::UnixMs;
use tindra_store::{Durability, StoreOptions};

use super::*;

/// A clock that stands until it is moved.
#[derive(Debug)]
pub(crate) struct HeldClock(pub(crate) AtomicU64);

impl Clock for HeldClock {
    fn unix_ms(&self) -> UnixMs {
        self.0.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }
}

/// IAM over a store of its own.
pub(crate) struct Place {
    pub(crate) iam: IamService,
    pub(crate) store: Store,
    pub(crate) clock: Arc<HeldClock>,
    pub(crate) caller: Identity,
    _directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(HeldClock(AtomicU64::new(1_800_000_000_000)));
        let options = StoreOptions { durability: Durability::Off, ..StoreOptions::default() };
        let store = Store::open_sqlite(directory.path(), options, clock.clone()).unwrap();
        let iam = IamService::new(store.clone(), clock.clone());
        let caller = Identity::root("000000000000");
        Self { iam, store, clock, caller, _directory: directory }
    }

    pub(crate) async fn answer(&self, operation: &str, input: Value) -> Value {
        self.iam.answer(&self.caller, operation, input).await.unwrap()
    }

    async fn documents_of(&self, kind: Kind, name: &str) -> Vec<String> {
        let principal = Principal { account: "000000000000".into(), kind, name: name.into() };
        let policies = self.iam.policies_of(&principal).await.unwrap();
        policies.identity.iter().map(|policy| policy.name.clone()).collect()
    }
}

pub(crate) const TRUST: &str = r#"{"Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}}"#;
const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#;
const BASIC: &str = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole";

#[tokio::test]
async fn a_key_is_found_as_it_is_now() {
    let place = Place::new();
    place.answer("CreateUser", json!({"UserName": "u"})).await;
    let key = place.answer("CreateAccessKey", json!({"UserName": "u"})).await;
    let id = key["AccessKey"]["AccessKeyId"].as_str().unwrap();
    for (operation, input, is_active) in [
        ("ListUsers", json!({}), true),
        ("UpdateAccessKey", json!({"UserName": "u", "AccessKeyId": id, "Status": "Inactive"}), false),
        ("UpdateAccessKey", json!({"AccessKeyId": id, "Status": "Active"}), true),
    ] {
        place.answer(operation, input).await;
        for _ in 0..2 {
            let found = place.iam.find_key(id).await.unwrap().unwrap();
            assert_eq!((found.is_active, found.who.clone()), (is_active, Who::User("u".into())));
            assert_eq!(found.secret, key["AccessKey"]["SecretAccessKey"]);
        }
    }
    place.answer("UpdateUser", json!({"UserName": "u", "NewUserName": "v"})).await;
    assert_eq!(place.iam.find_key(id).await.unwrap().unwrap().who, Who::User("v".into()));
    place.answer("DeleteAccessKey", json!({"UserName": "v", "AccessKeyId": id})).await;
    assert_eq!(place.iam.find_key(id).await.unwrap(), None);
}

#[tokio::test]
async fn policies_are_those_that_hold_now() {
    let place = Place::new();
    place.answer("CreateRole", json!({"RoleName": "r", "AssumeRolePolicyDocument": TRUST})).await;
    assert!(place.documents_of(Kind::Role, "r").await.is_empty());
    place.answer("PutRolePolicy", json!({"RoleName": "r", "PolicyName": "inline", "PolicyDocument": POLICY})).await;
    assert_eq!(place.documents_of(Kind::Role, "r").await, ["inline"]);
    let own = place.answer("CreatePolicy", json!({"PolicyName": "own", "PolicyDocument": POLICY})).await;
    let own = own["Policy"]["Arn"].as_str().unwrap();
    for arn in [own, BASIC] {
        place.answer("AttachRolePolicy", json!({"RoleName": "r", "PolicyArn": arn})).await;
    }
    assert_eq!(place.documents_of(Kind::Role, "r").await, ["inline", "own", "AWSLambdaBasicExecutionRole"]);

    let changed = POLICY.replace("Allow", "Deny");
    let version = json!({"PolicyArn": own, "PolicyDocument": changed, "SetAsDefault": true});
    place.answer("CreatePolicyVersion", version).await;
    place.answer("PutRolePermissionsBoundary", json!({"RoleName": "r", "PermissionsBoundary": own})).await;
    let principal = Principal::role("arn:aws:iam::000000000000:role/r").unwrap();
    let policies = place.iam.policies_of(&principal).await.unwrap();
    assert_eq!(policies.identity[1].document.as_ref(), changed);
    assert_eq!(policies.boundary.as_ref().unwrap().document.as_ref(), changed);
    assert_eq!(policies.trust.as_ref().unwrap().document.as_ref(), TRUST);
    assert_eq!(policies.arn.as_deref(), Some("arn:aws:iam::000000000000:role/r"));
    assert!(place.documents_of(Kind::User, "r").await.is_empty());
    assert!(place.documents_of(Kind::Role, "R").await.is_empty());
}

/// Whichever comes first, an attached policy is there and a deleted one is nowhere.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_policy_is_never_both_attached_and_deleted() {
    let place = Arc::new(Place::new());
    place.answer("CreateUser", json!({"UserName": "u"})).await;
    for round in 0..20 {
        let own = json!({"PolicyName": format!("p{round}"), "PolicyDocument": POLICY});
        let arn = place.answer("CreatePolicy", own).await["Policy"]["Arn"].clone();
        let run = |operation: &'static str, input: Value| {
            let place = Arc::clone(&place);
            tokio::spawn(async move { place.iam.answer(&place.caller, operation, input).await })
        };
        let attach = run("AttachUserPolicy", json!({"UserName": "u", "PolicyArn": arn}));
        let delete = run("DeletePolicy", json!({"PolicyArn": arn}));
        let (attached, deleted) = (attach.await.unwrap(), delete.await.unwrap());
        assert!(attached.is_ok() != deleted.is_ok(), "{attached:?} {deleted:?}");
        if let Err(refused) = attached {
            assert_eq!(refused.code, "NoSuchEntityException");
            continue;
        }
        assert_eq!(deleted.unwrap_err().code, "DeleteConflictException");
        place.answer("DetachUserPolicy", json!({"UserName": "u", "PolicyArn": arn})).await;
    }
}

#[test]
fn arns_name_roles() {
    let role = Principal::role("arn:aws:iam::123456789012:role/a/b/name").unwrap();
    assert_eq!((role.account.as_str(), role.name.as_str()), ("123456789012", "name"));
    for other in ["", "arn:aws:iam::123456789012:user/name", "arn:aws:iam", "role/name"] {
        assert_eq!(Principal::role(other), None, "{other}");
    }
}

fn document() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "Version",
        "Statement",
        "Effect",
        "Allow",
        "Action",
        "Resource",
        "Principal",
        "2012-10-17",
        "*",
        "[",
        "]",
        "{",
        "}",
        ":",
        ",",
        "\"",
        "null",
        "1",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_document_is_accepted_or_refused(text in document(), noise in any::<String>()) {
        for text in [&text, &noise] {
            for purpose in [Purpose::Identity, Purpose::Trust] {
                if let Err(error) = documents::check(text, purpose) {
                    assert_eq!(error.code, "MalformedPolicyDocumentException");
                }
            }
        }
    }

    #[test]
    fn documents_travel_unharmed(text in any::<String>()) {
        assert_eq!(tindra_model::percent_decode(&documents::encoded(&text)), text);
    }
}
