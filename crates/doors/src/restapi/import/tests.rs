//! Documents as Chalice, SAM and people write them.

use std::sync::Arc;

use serde_json::json;
use tindra_testkit::{FakeClock, TestStore, scope, store};

use super::*;

const CHALICE: &str = include_str!("tests/chalice.json");
const SAM: &str = include_str!("tests/sam.json");
const OPENAPI: &str = include_str!("tests/openapi.yaml");

struct Place {
    service: RestApiService,
    scope: Scope,
    _test: TestStore,
}

impl Place {
    fn new() -> Self {
        let test = store();
        let service = RestApiService::new(test.store.clone(), Arc::new(FakeClock::at(1_700_000_000_000)));
        Self { service, scope: scope(), _test: test }
    }

    async fn import(&self, text: &str, request: Value) -> Result<Value, RestApiError> {
        let request = serde_json::from_value(request).unwrap();
        self.service.import(&self.scope, "ImportRestApi", text.as_bytes(), request).await
    }

    async fn put(&self, id: &str, text: &str, request: Value) -> Result<Value, RestApiError> {
        let mut request: ImportRequest = serde_json::from_value(request).unwrap();
        request.rest_api_id = Some(id.to_owned());
        self.service.import(&self.scope, "PutRestApi", text.as_bytes(), request).await
    }

    /// The resources with their methods, by their paths.
    async fn resources(&self, id: &str) -> Value {
        let input = json!({"restApiId": id, "embed": ["methods"], "limit": 500});
        let found = self.service.answer(&self.scope, "GetResources", input).await.unwrap();
        let items = found["item"].as_array().unwrap().iter();
        items.map(|item| (item["path"].as_str().unwrap().to_owned(), item.clone())).collect()
    }

    async fn answer(&self, operation: &str, input: Value) -> Value {
        self.service.answer(&self.scope, operation, input).await.unwrap()
    }
}

fn id(api: &Value) -> &str {
    api["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_document_of_chalice() {
    let place = Place::new();
    let request = json!({"parameters": {"endpointConfigurationTypes": "EDGE"}, "failOnWarnings": true});
    let api = place.import(CHALICE, request).await.unwrap();
    assert_eq!((&api["name"], &api["version"]), (&json!("demo"), &json!("1.0")));
    assert_eq!(api["binaryMediaTypes"].as_array().unwrap().len(), 16, "each once");
    let resources = place.resources(id(&api)).await;
    assert_eq!(resources.as_object().unwrap().keys().collect::<Vec<_>>(), ["/", "/priv", "/users", "/users/{name}"]);
    let get = &resources["/users/{name}"]["resourceMethods"]["GET"];
    assert_eq!((&get["apiKeyRequired"], &get["authorizationType"]), (&json!(true), &json!("NONE")));
    assert_eq!(get["requestParameters"], json!({"method.request.path.name": true}));
    assert_eq!(get["methodResponses"]["200"]["responseModels"], json!({"application/json": "Empty"}));
    let integration = &get["methodIntegration"];
    assert_eq!(
        (&integration["type"], &integration["contentHandling"]),
        (&json!("AWS_PROXY"), &json!("CONVERT_TO_TEXT"))
    );
    let preflight = &resources["/users/{name}"]["resourceMethods"]["OPTIONS"]["methodIntegration"];
    assert_eq!(
        preflight["integrationResponses"]["200"]["responseParameters"]["method.response.header.Access-Control-Allow-Origin"],
        "'*'"
    );
    let guarded = &resources["/priv"]["resourceMethods"]["GET"];
    let authorizers = place.answer("GetAuthorizers", json!({"restApiId": id(&api)})).await;
    let authorizer = &authorizers["item"][0];
    assert_eq!((&guarded["authorizationType"], &guarded["authorizerId"]), (&json!("CUSTOM"), &authorizer["id"]));
    assert_eq!(
        (&authorizer["type"], &authorizer["identitySource"], &authorizer["authorizerResultTtlInSeconds"]),
        (&json!("TOKEN"), &json!("method.request.header.Authorization"), &json!(30))
    );
    place.answer("CreateDeployment", json!({"restApiId": id(&api), "stageName": "api", "tracingEnabled": false})).await;
}

#[tokio::test]
async fn a_document_of_sam() {
    let place = Place::new();
    let api = place.import(SAM, json!({"failOnWarnings": true})).await.unwrap();
    let resources = place.resources(id(&api)).await;
    let any = &resources["/{proxy+}"]["resourceMethods"]["ANY"];
    assert_eq!(any["methodIntegration"]["type"], "AWS_PROXY");
    let preflight = &resources["/hello"]["resourceMethods"]["OPTIONS"];
    assert_eq!(
        preflight["methodIntegration"]["requestTemplates"]["application/json"],
        "{\n  \"statusCode\" : 200\n}\n"
    );
    assert_eq!(
        preflight["methodIntegration"]["integrationResponses"]["200"]["responseTemplates"]["application/json"],
        "{}\n"
    );
    place.answer("CreateDeployment", json!({"restApiId": id(&api), "stageName": "Prod"})).await;
}

#[tokio::test]
async fn openapi_3_in_yaml_with_references() {
    let place = Place::new();
    let request = json!({"parameters": {"basepath": "prepend"}});
    let api = place.import(OPENAPI, request).await.unwrap();
    assert_eq!(api["apiKeySource"], "AUTHORIZER");
    assert_eq!(api["minimumCompressionSize"], 1024);
    let resources = place.resources(id(&api)).await;
    let get = &resources["/v1/pets/{petId}"]["resourceMethods"]["GET"];
    assert_eq!(get["operationName"], "getPet");
    assert_eq!(
        get["requestParameters"],
        json!({"method.request.header.X-Trace": false, "method.request.path.petId": true})
    );
    assert_eq!(get["methodResponses"]["200"]["responseModels"], json!({"application/json": "Pet"}));
    assert!(get["requestValidatorId"].is_string());
    assert_eq!(get["methodIntegration"]["timeoutInMillis"], 3000);
    let post = &resources["/v1/pets"]["resourceMethods"]["POST"];
    assert_eq!(post["requestModels"], json!({"application/json": "Pet"}));
    assert_eq!(post["authorizationType"], "NONE", "x-amazon-apigateway-auth opens it");
    let authorizer = &place.answer("GetAuthorizers", json!({"restApiId": id(&api)})).await["item"][0];
    assert_eq!((&authorizer["type"], &authorizer["authType"]), (&json!("REQUEST"), &json!("custom")));
    let response = json!({"restApiId": id(&api), "responseType": "DEFAULT_4XX"});
    let response = place.answer("GetGatewayResponse", response).await;
    assert_eq!(response["responseParameters"]["gatewayresponse.header.Access-Control-Allow-Origin"], "'*'");
    let warnings = api["warnings"].as_array().unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].as_str().unwrap().contains("Bad-Name"));
}

#[tokio::test]
async fn what_stays_keeps_its_id_and_what_goes_is_gone() {
    let place = Place::new();
    let api = place.import(CHALICE, json!({})).await.unwrap();
    let before = place.resources(id(&api)).await;
    let authorizer = place.answer("GetAuthorizers", json!({"restApiId": id(&api)})).await["item"][0]["id"].clone();
    place.put(id(&api), SAM, json!({"mode": "merge"})).await.unwrap();
    let merged = place.resources(id(&api)).await;
    assert!(["/priv", "/hello", "/users/{name}"].iter().all(|path| merged.get(path).is_some()));
    place.put(id(&api), CHALICE, json!({"mode": "overwrite"})).await.unwrap();
    let after = place.resources(id(&api)).await;
    assert_eq!(after, before);
    let authorizers = place.answer("GetAuthorizers", json!({"restApiId": id(&api)})).await;
    assert_eq!(authorizers["item"][0]["id"], authorizer);
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_at_once_and_nothing_is_made() {
    let place = Place::new();
    let refused = |paths: Value| json!({"swagger": "2.0", "info": {"title": "t"}, "paths": paths}).to_string();
    let http = json!({"type": "http", "httpMethod": "GET", "uri": "http://example.com"});
    let mock = json!({"type": "mock", "requestTemplates": {"application/json": "$input.body"}});
    let text = refused(json!({
        "/a": {"get": {"x-amazon-apigateway-integration": http}, "post": {"x-amazon-apigateway-integration": mock}},
        "/{b+}/c": {"get": {}},
        "/d": {"get": {"x-amazon-apigateway-auth": {"type": "AWS_IAM"}}},
    }));
    let error = place.import(&text, json!({})).await.unwrap_err();
    let message = error.message();
    assert!(message.starts_with("Errors found during import:\n\t"), "{message}");
    for part in [
        "Unable to put integration on 'GET' for resource at path '/a'",
        "Unable to put integration on 'POST' for resource at path '/a'",
        "Unable to create resource at path '/{b+}/c'",
        "Unable to put method 'GET' for resource at path '/d'",
    ] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let warned = json!({"swagger": "2.0", "info": {"title": "t"}, "paths": {"/a": {"trace": {}}}}).to_string();
    let error = place.import(&warned, json!({"failOnWarnings": true})).await.unwrap_err();
    assert!(error.message().starts_with("Warnings found during import:"), "{}", error.message());
    assert_eq!(place.answer("GetRestApis", json!({})).await["item"], json!([]));
}

#[tokio::test]
async fn what_is_no_definition_is_refused() {
    let place = Place::new();
    for text in [
        "",
        "{",
        "nothing",
        "{\"swagger\": \"1.2\"}",
        "{\"openapi\": \"2.0\"}",
        "{\"swagger\": \"2.0\"}",
        "{\"swagger\": \"2.0\", \"info\": {\"title\": \"t\"}, \"paths\": {\"/a\": {\"$ref\": \"other.json#/a\"}}}",
        "{\"swagger\": \"2.0\", \"info\": {\"title\": \"t\"}, \"paths\": {\"/a\": {\"$ref\": \"#/paths/~1a\"}}}",
        "{\"swagger\": \"2.0\", \"info\": {\"title\": \"t\"}, \"x-amazon-apigateway-policy\": {}}",
    ] {
        let error = place.import(text, json!({})).await.unwrap_err();
        assert_eq!(error.code(), "BadRequestException", "{text}");
    }
    let bad = json!({"parameters": {"basepath": "other"}});
    assert!(place.import(CHALICE, bad).await.is_err());
}
