//! Requests to stages over a store in memory and functions that are made up.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tindra_core::function::Scope;
use tindra_invoke::environments::{Finished, Outcome};
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse};
use tindra_store::BoxFuture;

use super::*;
use crate::front_door::DoorBody;
use crate::restapi::tests::{Place, text, uri};

/// Functions by their names: what each answers. Every invoke is kept.
#[derive(Debug, Default)]
struct Fakes {
    answers: Mutex<Vec<(String, Outcome)>>,
    asked: Mutex<Vec<(String, Value)>>,
    refuses: Mutex<Vec<String>>,
}

impl Fakes {
    fn set(&self, function: &str, answer: Value) {
        let outcome = Outcome::Success(answer.to_string().into());
        self.answers.lock().unwrap().insert(0, (function.to_owned(), outcome));
    }

    fn asked(&self, function: &str) -> Vec<Value> {
        let asked = self.asked.lock().unwrap();
        asked
            .iter()
            .filter(|(name, _)| name.ends_with(&format!(":{function}")))
            .map(|(_, event)| event.clone())
            .collect()
    }
}

impl Functions for Fakes {
    fn invoke(&self, request: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>> {
        Box::pin(async move {
            let event = serde_json::from_slice(&request.payload).unwrap();
            self.asked.lock().unwrap().push((request.function.clone(), event));
            let answers = self.answers.lock().unwrap();
            let found = answers.iter().find(|(name, _)| request.function.ends_with(&format!(":{name}")));
            let outcome = found.map(|(_, outcome)| outcome.clone());
            let Some(outcome) = outcome else { return Err(InvokeError::NoCapacity { reason: "none".into() }) };
            let finished = Finished { outcome, log_tail: None };
            Ok(InvokeResponse::Completed { finished, executed_version: "1".into(), trace_id: String::new() })
        })
    }

    fn lets_in<'a>(&'a self, _: &'a Scope, _: &'a str, _: &'a str, source: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move { !self.refuses.lock().unwrap().iter().any(|part| source.contains(part.as_str())) })
    }
}

struct Stages {
    place: Place,
    fakes: Arc<Fakes>,
    apis: RestApis,
}

impl Stages {
    async fn new() -> Self {
        let (place, fakes) = (Place::new(), Arc::new(Fakes::default()));
        fakes.set("f", json!({"statusCode": 200, "body": "hello"}));
        let apis = RestApis::start(place.store.clone(), Arc::clone(&fakes) as _, place.clock.clone()).await.unwrap();
        Self { place, fakes, apis }
    }

    async fn ask(&self, api: &str, uri: &str, headers: &[(&str, &str)]) -> (u16, String, http::HeaderMap) {
        let mut request = http::Request::builder().uri(uri).header("host", "x");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = DoorRequest {
            parts: request.body(()).unwrap().into_parts().0,
            body: Bytes::new(),
            host: "x".into(),
            port: 80,
            is_tls: false,
            source_ip: "127.0.0.1".into(),
            request_id: "r".into(),
        };
        let (parts, body) = self.apis.answer(api, request).await.into_parts();
        let DoorBody::Whole(body) = body else { panic!("a stream") };
        (parts.status.as_u16(), String::from_utf8(body.to_vec()).unwrap(), parts.headers)
    }

    async fn status(&self, api: &str, uri: &str, headers: &[(&str, &str)]) -> u16 {
        self.ask(api, uri, headers).await.0
    }
}

#[tokio::test]
async fn a_change_is_seen_by_the_next_request() {
    let stages = Stages::new().await;
    let place = &stages.place;
    let (api, root) = place.api(json!({})).await;
    assert_eq!(stages.apis.region(&api).await.as_ref(), Some(&place.scope.region));
    place.method(&api, &root, "GET", json!({})).await;
    assert_eq!(stages.status(&api, "/prod", &[]).await, 403);
    for number in 0..20 {
        place.deploy(&api, json!({"variables": {"number": number.to_string()}})).await;
        assert_eq!(stages.status(&api, "/prod", &[]).await, 200);
        assert_eq!(stages.fakes.asked("f").last().unwrap()["stageVariables"]["number"], number.to_string());
    }
    place.answer("DeleteRestApi", json!({"restApiId": api})).await;
    assert_eq!(stages.status(&api, "/prod", &[]).await, 403);
    assert_eq!(stages.apis.region(&api).await, None);
}

#[tokio::test]
async fn a_disabled_endpoint_answers_nothing() {
    let stages = Stages::new().await;
    let (api, root) = stages.place.api(json!({"disableExecuteApiEndpoint": true})).await;
    stages.place.method(&api, &root, "GET", json!({})).await;
    stages.place.deploy(&api, json!({})).await;
    let (status, body, headers) = stages.ask(&api, "/prod", &[]).await;
    assert_eq!((status, body.as_str()), (403, "{\"message\":\"Forbidden\"}"));
    assert_eq!(headers["x-amzn-errortype"], "ForbiddenException");
}

#[tokio::test]
async fn a_function_has_the_last_word_on_who_runs_it() {
    let stages = Stages::new().await;
    let place = &stages.place;
    let (api, root) = place.api(json!({})).await;
    let pet = place.resource(&api, &root, "{id}").await;
    place.method(&api, &pet, "GET", json!({})).await;
    place.deploy(&api, json!({})).await;
    assert_eq!(stages.status(&api, "/prod/7", &[]).await, 200);
    stages.fakes.refuses.lock().unwrap().push(format!("{api}/prod/GET/{{id}}"));
    let (status, body, _) = stages.ask(&api, "/prod/7", &[]).await;
    assert_eq!((status, body.as_str()), (500, "{\"message\":\"Internal server error\"}"));
    assert_eq!(stages.fakes.asked("f").len(), 1);
}

#[tokio::test]
async fn a_decision_is_kept_as_long_as_it_may_be() {
    let stages = Stages::new().await;
    let place = &stages.place;
    let (api, root) = place.api(json!({})).await;
    let policy = |effect: &str| {
        json!({"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [
            {"Effect": effect, "Action": "execute-api:Invoke", "Resource": "*"}]}})
    };
    stages.fakes.set("auth", policy("Allow"));
    let authorizer = json!({
        "restApiId": api, "name": "a", "type": "TOKEN", "authorizerUri": uri("auth"),
        "identitySource": "method.request.header.token", "authorizerResultTtlInSeconds": 60,
    });
    let authorizer = text(&place.answer("CreateAuthorizer", authorizer).await["id"]);
    place.method(&api, &root, "GET", json!({"authorizationType": "CUSTOM", "authorizerId": authorizer})).await;
    place.deploy(&api, json!({})).await;
    let asked = || stages.fakes.asked("auth").len();
    assert_eq!(stages.status(&api, "/prod", &[]).await, 401);
    assert_eq!(asked(), 0);
    for _ in 0..3 {
        assert_eq!(stages.status(&api, "/prod", &[("token", "t")]).await, 200);
    }
    assert_eq!(asked(), 1);
    assert_eq!(stages.status(&api, "/prod", &[("token", "u")]).await, 200);
    assert_eq!(asked(), 2);
    place.clock.advance(Duration::from_secs(59));
    stages.fakes.set("auth", policy("Deny"));
    assert_eq!(stages.status(&api, "/prod", &[("token", "t")]).await, 200);
    place.clock.advance(Duration::from_secs(2));
    assert_eq!(stages.status(&api, "/prod", &[("token", "t")]).await, 403);
    stages.fakes.set("auth", json!({"principalId": "p"}));
    place.answer("FlushStageAuthorizersCache", json!({"restApiId": api, "stageName": "prod"})).await;
    let (status, body, headers) = stages.ask(&api, "/prod", &[("token", "t")]).await;
    assert_eq!((status, body.as_str()), (500, "{\"message\":null}"));
    assert_eq!(headers["x-amzn-errortype"], "AuthorizerConfigurationException");
}

/// An API whose key and plan are there.
async fn keyed(stages: &Stages, plan: Value) -> (String, String, String, String) {
    let place = &stages.place;
    let (api, root) = place.api(json!({})).await;
    place.method(&api, &root, "GET", json!({"apiKeyRequired": true})).await;
    place.deploy(&api, json!({})).await;
    let key = place.answer("CreateApiKey", json!({"enabled": true})).await;
    let mut input = json!({"name": "p", "apiStages": [{"apiId": api, "stage": "prod"}]});
    input.as_object_mut().unwrap().extend(plan.as_object().unwrap().clone());
    let plan = text(&place.answer("CreateUsagePlan", input).await["id"]);
    let member = json!({"usagePlanId": plan, "keyId": key["id"], "keyType": "API_KEY"});
    place.answer("CreateUsagePlanKey", member).await;
    (api, text(&key["id"]), text(&key["value"]), plan)
}

#[tokio::test]
async fn a_quota_counts_days_and_starts_anew() {
    let stages = Stages::new().await;
    let place = &stages.place;
    let (api, key, value, plan) = keyed(&stages, json!({"quota": {"limit": 2, "period": "DAY"}})).await;
    let ask = async || stages.status(&api, "/prod", &[("x-api-key", value.as_str())]).await;
    assert_eq!([ask().await, ask().await, ask().await], [200, 200, 429]);
    stages.apis.flush().await;
    let usage = json!({"usagePlanId": plan, "startDate": "2025-01-01", "endDate": "2025-01-02"});
    let told = place.answer("GetUsage", usage.clone()).await;
    assert_eq!(told["values"][&key], json!([[2, 0], [0, 2]]));
    place.clock.advance(Duration::from_secs(86_400));
    assert_eq!([ask().await, ask().await, ask().await], [200, 200, 429]);
    stages.apis.flush().await;
    assert_eq!(place.answer("GetUsage", usage).await["values"][&key], json!([[2, 0], [2, 0]]));

    // Another server goes on from what was written.
    let other =
        RestApis::start(place.store.clone(), Arc::clone(&stages.fakes) as _, place.clock.clone()).await.unwrap();
    let stages = Stages { apis: other, fakes: Arc::clone(&stages.fakes), place: stages.place };
    let status = stages.status(&api, "/prod", &[("x-api-key", value.as_str())]).await;
    assert_eq!(status, 429);
}

#[tokio::test]
async fn a_plan_is_as_fast_as_it_says_and_each_method_may_have_its_own() {
    let stages = Stages::new().await;
    let place = &stages.place;
    let (api, _, value, plan) = keyed(&stages, json!({"throttle": {"burstLimit": 1, "rateLimit": 1.0}})).await;
    let ask = async || stages.status(&api, "/prod", &[("x-api-key", value.as_str())]).await;
    assert_eq!([ask().await, ask().await], [200, 429]);
    place.clock.advance(Duration::from_secs(1));
    assert_eq!([ask().await, ask().await], [200, 429]);
    let path = |member: &str| format!("/apiStages/{api}:prod/throttle/~1~1GET/{member}");
    let patch = |member: &str, value: &str| json!({"op": "replace", "path": path(member), "value": value});
    let operations = [patch("burstLimit", "3"), patch("rateLimit", "1")];
    place.answer("UpdateUsagePlan", json!({"usagePlanId": plan, "patchOperations": operations})).await;
    assert_eq!([ask().await, ask().await, ask().await, ask().await], [200, 200, 200, 429]);
}

#[tokio::test]
async fn a_key_is_nothing_without_a_plan_and_nothing_elsewhere() {
    let stages = Stages::new().await;
    let place = &stages.place;
    let (api, key, value, plan) = keyed(&stages, json!({})).await;
    let ask = async || stages.ask(&api, "/prod", &[("x-api-key", value.as_str())]).await;
    assert_eq!(ask().await.0, 200);
    let event = stages.fakes.asked("f").pop().unwrap();
    assert_eq!(event["requestContext"]["identity"]["apiKeyId"], key);
    let stage = json!({"op": "remove", "path": "/apiStages", "value": format!("{api}:prod")});
    place.answer("UpdateUsagePlan", json!({"usagePlanId": plan, "patchOperations": [stage]})).await;
    let (status, body, _) = ask().await;
    assert_eq!((status, body.as_str()), (403, "{\"message\":\"Forbidden\"}"));
}

#[tokio::test]
async fn a_mock_answers_by_the_status_of_its_template() {
    let stages = Stages::new().await;
    let place = &stages.place;
    let (api, root) = place.api(json!({})).await;
    let at = json!({"restApiId": api, "resourceId": root, "httpMethod": "GET"});
    let with = |members: Value| {
        let mut input = at.clone();
        input.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        input
    };
    place.answer("PutMethod", with(json!({"authorizationType": "NONE"}))).await;
    let templates = json!({"application/json": "{\"statusCode\": 200}", "text/plain": "{\"statusCode\": 500}"});
    let integration = json!({"type": "MOCK", "requestTemplates": templates, "passthroughBehavior": "NEVER"});
    place.answer("PutIntegration", with(integration)).await;
    let texts = json!({"application/json": "{}", "text/html": "<p>"});
    for (status, more) in
        [("200", json!({"responseTemplates": texts})), ("503", json!({"selectionPattern": "5\\d{2}"}))]
    {
        place.answer("PutMethodResponse", with(json!({"statusCode": status}))).await;
        let mut input = with(json!({"statusCode": status}));
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        place.answer("PutIntegrationResponse", input).await;
    }
    place.deploy(&api, json!({})).await;
    let (status, body, headers) = stages.ask(&api, "/prod", &[]).await;
    assert_eq!((status, body.as_str(), &headers["content-type"]), (200, "{}", &"application/json".parse().unwrap()));
    let (_, body, headers) = stages.ask(&api, "/prod", &[("accept", "text/html,*/*")]).await;
    assert_eq!((body.as_str(), &headers["content-type"]), ("<p>", &"text/html".parse().unwrap()));
    assert_eq!(stages.status(&api, "/prod", &[("content-type", "text/plain; charset=utf-8")]).await, 503);
    assert_eq!(stages.status(&api, "/prod", &[("content-type", "text/css")]).await, 415);
}

#[tokio::test]
async fn a_full_house_and_a_broken_answer_are_the_gateways_fault() {
    let stages = Stages::new().await;
    let (api, root) = stages.place.api(json!({})).await;
    stages.place.method(&api, &root, "GET", json!({})).await;
    stages.place.deploy(&api, json!({})).await;
    stages.fakes.set("f", json!("text"));
    assert_eq!(stages.status(&api, "/prod", &[]).await, 502);
    stages.fakes.answers.lock().unwrap().clear();
    assert_eq!(stages.status(&api, "/prod", &[]).await, 500);
}
