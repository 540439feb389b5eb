//! The control plane over a store in memory.

use serde_json::json;
use tindra_testkit::{FakeClock, TestStore, scope, store};

use super::*;

const NOW_MS: u64 = 1_735_732_800_000;

pub(super) struct Place {
    pub(super) service: RestApiService,
    pub(super) store: Store,
    pub(super) clock: Arc<FakeClock>,
    pub(super) scope: Scope,
    _test: TestStore,
}

impl Place {
    pub(super) fn new() -> Self {
        let (test, clock) = (store(), Arc::new(FakeClock::at(NOW_MS)));
        let store = test.store.clone();
        Self { service: RestApiService::new(store.clone(), clock.clone()), store, clock, scope: scope(), _test: test }
    }

    pub(super) async fn answer(&self, operation: &str, input: Value) -> Value {
        self.service.answer(&self.scope, operation, input).await.unwrap()
    }

    pub(super) async fn refusal(&self, operation: &str, input: Value) -> (&'static str, String) {
        let error = self.service.answer(&self.scope, operation, input).await.unwrap_err();
        (error.code(), error.message().to_owned())
    }

    /// The ids of an API and of its root.
    pub(super) async fn api(&self, mut input: Value) -> (String, String) {
        input["name"] = "a".into();
        let api = self.answer("CreateRestApi", input).await;
        (text(&api["id"]), text(&api["rootResourceId"]))
    }

    pub(super) async fn resource(&self, api: &str, parent: &str, part: &str) -> String {
        let input = json!({"restApiId": api, "parentId": parent, "pathPart": part});
        text(&self.answer("CreateResource", input).await["id"])
    }

    /// A method that a function `f` answers.
    pub(super) async fn method(&self, api: &str, resource: &str, name: &str, members: Value) {
        let mut input =
            json!({"restApiId": api, "resourceId": resource, "httpMethod": name, "authorizationType": "NONE"});
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.answer("PutMethod", input).await;
        let input = json!({
            "restApiId": api, "resourceId": resource, "httpMethod": name,
            "type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri("f"),
        });
        self.answer("PutIntegration", input).await;
    }

    pub(super) async fn deploy(&self, api: &str, members: Value) -> String {
        let mut input = json!({"restApiId": api, "stageName": "prod"});
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        text(&self.answer("CreateDeployment", input).await["id"])
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

pub(super) fn uri(function: &str) -> String {
    format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:{function}/invocations"
    )
}

#[tokio::test]
async fn every_operation_of_the_model_is_answered() {
    let place = Place::new();
    for operation in tindra_model::apigateway().operations() {
        let name = operation.name();
        let answer = place.service.answer(&place.scope, name, json!({})).await;
        let is_unserved =
            answer.is_err_and(|error| error.message().ends_with("is not served in this version of Tindra."));
        assert!(!is_unserved, "{name}");
    }
}

#[tokio::test]
async fn a_tree_has_no_more_resources_than_it_may() {
    let place = Place::new();
    let (api, root) = place.api(json!({})).await;
    for number in 1..tindra_core::limits::REST_API_RESOURCES_MAX {
        place.resource(&api, &root, &format!("r{number}")).await;
    }
    let one_more = json!({"restApiId": api, "parentId": root, "pathPart": "more"});
    let (code, message) = place.refusal("CreateResource", one_more).await;
    assert_eq!(code, "BadRequestException");
    assert!(message.contains("300"), "{message}");
}

#[tokio::test]
async fn parts_of_paths_are_checked() {
    let place = Place::new();
    let (api, root) = place.api(json!({})).await;
    for part in ["", "a/b", "{", "{}", "{a", "a{b}", "{+}", "a b", "é", "{a+}b"] {
        let input = json!({"restApiId": api, "parentId": root, "pathPart": part});
        assert_eq!(place.refusal("CreateResource", input).await.0, "BadRequestException", "{part}");
    }
    let first = place.resource(&api, &root, "{id}").await;
    let (_, message) =
        place.refusal("CreateResource", json!({"restApiId": api, "parentId": first, "pathPart": "{id}"})).await;
    assert!(message.contains("two variables"), "{message}");
}

#[tokio::test]
async fn an_api_goes_with_all_that_it_has() {
    let place = Place::new();
    let (api, root) = place.api(json!({})).await;
    place.method(&api, &root, "GET", json!({})).await;
    place.deploy(&api, json!({})).await;
    let plan = json!({"name": "p", "apiStages": [{"apiId": api, "stage": "prod"}]});
    let plan = text(&place.answer("CreateUsagePlan", plan).await["id"]);
    place.answer("DeleteRestApi", json!({"restApiId": api})).await;
    let left = place.store.metadata.list(records::PREFIX, None, 100).await.unwrap();
    assert_eq!(left.iter().map(|record| record.key.as_str()).collect::<Vec<_>>().len(), 1, "the plan");
    let plan = place.answer("GetUsagePlan", json!({"usagePlanId": plan})).await;
    assert_eq!(plan["apiStages"], json!([]));
}

#[tokio::test]
async fn a_clone_has_the_content_and_ids_of_its_own() {
    let place = Place::new();
    let (api, root) = place.api(json!({"binaryMediaTypes": ["a/b"]})).await;
    place.method(&api, &root, "GET", json!({})).await;
    let (copy, _) = place.api(json!({"cloneFrom": api})).await;
    assert_ne!(copy, api);
    let resources = place.answer("GetResources", json!({"restApiId": copy})).await;
    assert_eq!(resources["item"][0]["resourceMethods"], json!({"GET": {}}));
    assert_eq!(place.answer("GetRestApi", json!({"restApiId": copy})).await["binaryMediaTypes"], json!(["a/b"]));
}

#[tokio::test]
async fn changes_at_the_same_time_all_hold() {
    let place = Arc::new(Place::new());
    let (api, root) = place.api(json!({})).await;
    let tasks = (0..16).map(|number| {
        let (place, api, root) = (Arc::clone(&place), api.clone(), root.clone());
        tokio::spawn(async move { place.resource(&api, &root, &format!("r{number}")).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let resources = place.answer("GetResources", json!({"restApiId": api, "limit": 500})).await;
    assert_eq!(resources["item"].as_array().unwrap().len(), 17);
}

#[tokio::test]
async fn others_see_nothing_of_it() {
    let place = Place::new();
    let (api, _) = place.api(json!({})).await;
    let other = Scope { account: "111111111111".into(), region: "us-east-1".into() };
    let error = place.service.answer(&other, "GetRestApi", json!({"restApiId": api})).await.unwrap_err();
    assert_eq!(error.message(), format!("Invalid API identifier specified 111111111111:{api}"));
    assert_eq!(place.service.answer(&other, "GetRestApis", json!({})).await.unwrap()["item"], json!([]));
}

#[tokio::test]
async fn plans_say_what_cannot_be() {
    let place = Place::new();
    for (input, part) in [
        (json!({"name": ""}), "non-empty"),
        (json!({"name": "p", "quota": {"limit": 0, "period": "DAY"}}), "greater than zero"),
        (json!({"name": "p", "quota": {"limit": 1, "offset": 1, "period": "DAY"}}), "between 0 and 0"),
        (json!({"name": "p", "quota": {"limit": 1, "offset": 7, "period": "WEEK"}}), "between 0 and 6"),
        (json!({"name": "p", "throttle": {"rateLimit": -1.0}}), "rate limit"),
        (json!({"name": "p", "apiStages": [{"apiId": "x", "stage": "y"}]}), "not found"),
    ] {
        let (_, message) = place.refusal("CreateUsagePlan", input.clone()).await;
        assert!(message.contains(part), "{input}: {message}");
    }
}

#[tokio::test]
async fn one_key_asks_a_stage_by_one_plan() {
    let place = Place::new();
    let (api, root) = place.api(json!({})).await;
    place.method(&api, &root, "GET", json!({})).await;
    place.deploy(&api, json!({})).await;
    let key = text(&place.answer("CreateApiKey", json!({"enabled": true})).await["id"]);
    let mut plans = Vec::new();
    for name in ["one", "two"] {
        let plan = json!({"name": name, "apiStages": [{"apiId": api, "stage": "prod"}]});
        plans.push(text(&place.answer("CreateUsagePlan", plan).await["id"]));
    }
    let member = |plan: &str| json!({"usagePlanId": plan, "keyId": key, "keyType": "API_KEY"});
    place.answer("CreateUsagePlanKey", member(&plans[0])).await;
    assert_eq!(place.refusal("CreateUsagePlanKey", member(&plans[0])).await.0, "ConflictException");
    assert_eq!(place.refusal("CreateUsagePlanKey", member(&plans[1])).await.0, "ConflictException");
}
