//! The control plane over a real store: what changes together, what goes with what, and documents that are imported.

use serde_json::json;
use tindra_invoke::{InvokeError, InvokeRequest, InvokeResponse};
use tindra_store::{BoxFuture, JsonRecords as _, Versioned};
use tindra_testkit::{FakeClock, TestStore, scope, store};

use super::records::{Definition, deployed_key};
use super::*;

/// Nobody is run, let in or reached.
#[derive(Debug)]
struct Nothing;

impl Functions for Nothing {
    fn invoke(&self, _: InvokeRequest) -> BoxFuture<'_, Result<InvokeResponse, InvokeError>> {
        Box::pin(std::future::pending())
    }

    fn lets_in<'a>(&'a self, _: &'a Scope, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}

impl Roles for Nothing {
    fn may_invoke<'a>(&'a self, _: &'a str, _: &'a str, _: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(std::future::ready(false))
    }
}

impl Reach for Nothing {
    fn check(&self, _: std::net::IpAddr) -> Result<(), String> {
        Err("nothing".to_owned())
    }
}

struct Gateway {
    apis: HttpApis,
    store: TestStore,
}

impl Gateway {
    async fn new() -> Self {
        let store = store();
        let around = Surroundings { functions: Arc::new(Nothing), roles: Arc::new(Nothing), reach: Arc::new(Nothing) };
        let apis =
            HttpApis::start(store.store.clone(), Arc::new(FakeClock::at(1_767_225_600_000)), around).await.unwrap();
        Self { apis, store }
    }

    async fn ask(&self, operation: &str, input: Value) -> Result<Value, HttpApiError> {
        let scope = scope();
        self.apis.answer(Asker { scope: &scope, endpoint: "http://127.0.0.1:4566" }, operation, input).await
    }

    async fn of(&self, api: &str, operation: &str, mut input: Value) -> Value {
        input["ApiId"] = api.into();
        self.ask(operation, input).await.unwrap()
    }

    async fn copy(&self, api: &str, deployment: &str) -> Option<Definition> {
        let found: Option<Versioned<Definition>> =
            self.store.store.metadata.get_json(&deployed_key(api, deployment)).await.unwrap();
        found.map(|record| record.value)
    }
}

fn function() -> String {
    let Scope { account, region } = scope();
    format!("arn:aws:lambda:{region}:{account}:function:hello")
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn what_a_deployment_serves_is_kept_as_long_as_the_deployment() {
    let gateway = Gateway::new().await;
    let api = text(&gateway.ask("CreateApi", json!({"Name": "a", "ProtocolType": "HTTP"})).await.unwrap(), "ApiId");
    gateway.of(&api, "CreateRoute", json!({"RouteKey": "GET /"})).await;
    let auto = gateway.of(&api, "CreateStage", json!({"StageName": "auto", "AutoDeploy": true})).await;
    let first = text(&auto, "DeploymentId");
    // What is served as it is edited needs no copy.
    assert_eq!(gateway.copy(&api, &first).await, None);
    gateway.of(&api, "UpdateStage", json!({"StageName": "auto", "AutoDeploy": false})).await;
    assert_eq!(gateway.copy(&api, &first).await.unwrap().routes.len(), 1);
    gateway.of(&api, "CreateRoute", json!({"RouteKey": "GET /more"})).await;
    let second = text(&gateway.of(&api, "CreateDeployment", json!({"StageName": "auto"})).await, "DeploymentId");
    assert_eq!(gateway.copy(&api, &second).await.unwrap().routes.len(), 2);
    assert_eq!(gateway.copy(&api, &first).await.unwrap().routes.len(), 1);
    gateway.of(&api, "DeleteDeployment", json!({"DeploymentId": first})).await;
    assert_eq!(gateway.copy(&api, &first).await, None);
    gateway.of(&api, "DeleteApi", json!({})).await;
    assert_eq!(gateway.copy(&api, &second).await, None);
}

#[tokio::test]
async fn changes_at_the_same_time_all_count() {
    let gateway = Gateway::new().await;
    let api = text(&gateway.ask("CreateApi", json!({"Name": "a", "ProtocolType": "HTTP"})).await.unwrap(), "ApiId");
    let route = |number| gateway.of(&api, "CreateRoute", json!({"RouteKey": format!("GET /{number}")}));
    tokio::join!(route(1), route(2), route(3), route(4));
    let listed = gateway.of(&api, "GetRoutes", json!({})).await;
    assert_eq!(listed["Items"].as_array().unwrap().len(), 4);
}

fn document() -> Value {
    let integration = json!({
        "type": "aws_proxy", "httpMethod": "POST", "uri": function(), "payloadFormatVersion": "2.0", "nonsense": 1,
    });
    json!({
        "openapi": "3.0.1",
        "info": { "title": "pets", "version": "7", "description": "of a shop" },
        "servers": [{ "url": "/{basePath}", "variables": { "basePath": { "default": "v1" } } }],
        "tags": [{ "name": "team", "x-amazon-apigateway-tag-value": "a" }, { "name": "plain" }],
        "paths": {
            "/pets/{id}": {
                "get": {
                    "operationId": "getPet",
                    "security": [{ "tokens": ["read"] }],
                    "x-amazon-apigateway-integration": { "$ref": "#/components/x-amazon-apigateway-integrations/one" },
                },
                "x-amazon-apigateway-any-method": {
                    "x-amazon-apigateway-integration": { "$ref": "#/components/x-amazon-apigateway-integrations/one" },
                },
            },
            "/nowhere": { "post": {} },
            "/$default": { "x-amazon-apigateway-any-method": { "x-amazon-apigateway-integration": integration } },
        },
        "x-amazon-apigateway-cors": { "allowOrigins": ["https://a.example"], "maxAge": 5 },
        "components": {
            "x-amazon-apigateway-integrations": { "one": integration },
            "securitySchemes": { "tokens": { "type": "oauth2", "x-amazon-apigateway-authorizer": {
                "type": "jwt", "identitySource": "$request.header.Authorization",
                "jwtConfiguration": { "issuer": "https://issuer.example", "audience": ["shop"] },
            } } },
        },
    })
}

async fn keys(gateway: &Gateway, api: &str) -> Vec<String> {
    let routes = gateway.of(api, "GetRoutes", json!({})).await;
    let mut keys: Vec<String> =
        routes["Items"].as_array().unwrap().iter().map(|route| text(route, "RouteKey")).collect();
    keys.sort();
    keys
}

#[tokio::test]
async fn a_document_becomes_an_api() {
    let gateway = Gateway::new().await;
    let body = document().to_string();
    let made = gateway.ask("ImportApi", json!({ "Body": body, "Basepath": "prepend" })).await.unwrap();
    assert_eq!(
        (text(&made, "Name"), text(&made, "Version"), text(&made, "Description")),
        ("pets".into(), "7".into(), "of a shop".into())
    );
    assert_eq!(made["Tags"], json!({ "team": "a" }));
    assert_eq!(made["CorsConfiguration"], json!({ "AllowOrigins": ["https://a.example"], "MaxAge": 5 }));
    let warnings = made["Warnings"].to_string();
    assert!(warnings.contains("nonsense") && warnings.contains("POST /v1/nowhere"), "{warnings}");
    let api = text(&made, "ApiId");
    assert_eq!(keys(&gateway, &api).await, ["$default", "ANY /v1/pets/{id}", "GET /v1/pets/{id}", "POST /v1/nowhere"]);
    let routes = gateway.of(&api, "GetRoutes", json!({})).await["Items"].clone();
    let find = |key: &str| routes.as_array().unwrap().iter().find(|route| route["RouteKey"] == key).unwrap().clone();
    let (get, any) = (find("GET /v1/pets/{id}"), find("ANY /v1/pets/{id}"));
    assert_eq!((&get["AuthorizationType"], &get["AuthorizationScopes"]), (&json!("JWT"), &json!(["read"])));
    assert_eq!((&get["Target"], &get["OperationName"]), (&any["Target"], &json!("getPet")));
    assert_eq!(gateway.of(&api, "GetIntegrations", json!({})).await["Items"].as_array().unwrap().len(), 2);

    let mut less = document();
    less["paths"] = json!({ "/pets/{id}": document()["paths"]["/pets/{id}"] });
    less["info"]["title"] = "cats".into();
    let again = json!({ "ApiId": api, "Body": less.to_string(), "Basepath": "prepend" });
    assert_eq!(text(&gateway.ask("ReimportApi", again).await.unwrap(), "Name"), "cats");
    assert_eq!(keys(&gateway, &api).await, ["ANY /v1/pets/{id}", "GET /v1/pets/{id}"]);
    let kept = gateway.of(&api, "GetRoute", json!({ "RouteId": get["RouteId"] })).await;
    assert_eq!(kept["RouteKey"], "GET /v1/pets/{id}");
}

#[tokio::test]
async fn a_document_that_cannot_be_served_makes_nothing() {
    let gateway = Gateway::new().await;
    let broken = |edit: fn(&mut Value)| {
        let mut document = document();
        edit(&mut document);
        document.to_string()
    };
    for (body, words) in [
        ("openapi: 3.0.1".to_owned(), "must be JSON"),
        (broken(|document| document["openapi"] = "2.0".into()), "OpenAPI 3.0"),
        (broken(|document| document["info"]["title"] = "".into()), "name must not be empty"),
        (broken(|document| document["security"] = json!([{ "others": [] }])), "security scheme others"),
        (broken(|document| document["paths"] = json!({ "/a{b}": { "get": {} } })), "not formatted properly"),
        (
            broken(|document| document["components"]["x-amazon-apigateway-integrations"] = json!({})),
            "there is no integration one",
        ),
        (
            broken(|document| {
                document["components"]["x-amazon-apigateway-integrations"]["one"]["type"] = "mock".into()
            }),
            "MOCK",
        ),
    ] {
        let error = gateway.ask("ImportApi", json!({ "Body": body })).await.unwrap_err();
        assert!(error.code() == "BadRequestException" && error.message().contains(words), "{error}");
    }
    let body = document().to_string();
    let strict = gateway.ask("ImportApi", json!({ "Body": body, "FailOnWarnings": true })).await.unwrap_err();
    assert!(strict.message().contains("Warnings found during import"), "{strict}");
    assert_eq!(gateway.ask("GetApis", json!({})).await.unwrap(), json!({ "Items": [] }));
}
