//! The events of the HTTP front doors, read by the types that Rust functions read them with: AWS's `aws_lambda_events`.
//!
//! Each event must be read without an error, and what the types then hold must be what the event said: the types are
//! written out again, and what is missing or different is listed.

use aws_lambda_events::alb::AlbTargetGroupRequest;
use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequest, ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayProxyRequest,
    ApiGatewayV2CustomAuthorizerV1Request, ApiGatewayV2CustomAuthorizerV2Request, ApiGatewayV2httpRequest,
    ApiGatewayWebsocketProxyRequest,
};
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tindra_core::door::{
    Arrival, Authorizer, CognitoIdentity, Door2, HttpCall, HttpRequest, IamIdentity, RestCall, RestIdentity,
    WebsocketCall, WebsocketEvent, alb_event, http_authorizer_event_1, http_authorizer_event_2, payload_1, payload_2,
    rest_event, rest_request_authorizer_event, rest_token_authorizer_event, websocket_event,
};

const ARRIVAL: Arrival<'_> = Arrival { port: 443, tls: true, trace_id: "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c" };

/// A request with everything a request can have twice.
fn request() -> HttpRequest<'static> {
    let headers = [
        ("host", "abcdef1234.execute-api.us-east-1.amazonaws.com"),
        ("content-type", "application/json"),
        ("user-agent", "curl/7.58.0"),
        ("x-many", "one"),
        ("x-many", "two"),
        ("cookie", "a=1; b=2"),
    ];
    HttpRequest {
        method: "POST",
        path: "/test/pets/7",
        query: Some("word=%C3%A9&many=1&many=2&empty"),
        protocol: "HTTP/1.1",
        host: "abcdef1234.execute-api.us-east-1.amazonaws.com",
        source_ip: "1.2.3.4",
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: br#"{"a":1}"#,
        request_id: "LV7fzho-PHcEJPw=",
        time_ms: 1_587_481_701_067,
    }
}

/// A request without query, cookies and body.
fn bare() -> HttpRequest<'static> {
    let headers = vec![("host".to_owned(), "abcdef1234.execute-api.us-east-1.amazonaws.com".to_owned())];
    HttpRequest { method: "GET", path: "/", query: None, headers, body: b"", ..request() }
}

fn authorizers() -> Vec<Option<Authorizer>> {
    let identity = IamIdentity {
        access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
        account_id: "111122223333".to_owned(),
        caller_id: "AIDACKCEVSQ6C2EXAMPLE".to_owned(),
        cognito_identity: None,
        principal_org_id: None,
        user_arn: "arn:aws:iam::111122223333:user/example-user".to_owned(),
        user_id: "AIDACOSFODNN7EXAMPLE2".to_owned(),
    };
    let cognito = CognitoIdentity {
        amr: vec!["authenticated".to_owned(), "example.com".to_owned()],
        identity_id: "us-east-1:0000".to_owned(),
        identity_pool_id: "us-east-1:1111".to_owned(),
    };
    let known = IamIdentity {
        cognito_identity: Some(cognito),
        principal_org_id: Some("o-12345".to_owned()),
        ..identity.clone()
    };
    let claims = Map::from_iter([("sub".to_owned(), json!("you")), ("exp".to_owned(), json!("1587481701"))]);
    let context = Map::from_iter([("number".to_owned(), json!(1)), ("word".to_owned(), json!("yes"))]);
    vec![
        None,
        Some(Authorizer::Iam(identity)),
        Some(Authorizer::Iam(known)),
        Some(Authorizer::Jwt { claims: claims.clone(), scopes: Some(vec!["read".to_owned()]) }),
        Some(Authorizer::Jwt { claims, scopes: None }),
        Some(Authorizer::Lambda { principal_id: Some("you".to_owned()), context: context.clone() }),
        Some(Authorizer::Lambda { principal_id: None, context }),
    ]
}

fn pairs(name: &str, value: &str) -> Vec<(String, String)> {
    vec![(name.to_owned(), value.to_owned())]
}

/// What the type `T` does not hold of an event, beyond the members that it is known not to have.
fn lost_but<T: DeserializeOwned + Serialize>(event: &[u8], unknown: &[&str]) -> Vec<String> {
    let mut lost = lost::<T>(event);
    lost.retain(|place| !unknown.iter().any(|member| place.ends_with(member)));
    lost
}

/// What the type `T` does not hold of an event: members that are missing, and such that are different.
fn lost<T: DeserializeOwned + Serialize>(event: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(event);
    let read: T = serde_json::from_slice(event).unwrap_or_else(|error| panic!("{error}: {text}"));
    let (said, held) =
        (serde_json::from_slice(event).unwrap_or_default(), serde_json::to_value(read).unwrap_or_default());
    let mut lost = Vec::new();
    compare("", &said, &held, &mut lost);
    lost
}

/// Names without regard to case, because the types hold headers in lower case; one value as a list of one.
fn compare(place: &str, said: &Value, held: &Value, lost: &mut Vec<String>) {
    if let (Value::Object(said), Value::Object(held)) = (said, held) {
        for (name, value) in said.iter().filter(|(_, value)| !value.is_null()) {
            let place = format!("{place}/{name}");
            match held.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)) {
                Some((_, held)) => compare(&place, value, held, lost),
                None => lost.push(place),
            }
        }
        return;
    }
    let list = |value: &Value| value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
    if list(said) != list(held) {
        lost.push(format!("{place}: {said} became {held}"));
    }
}

const NOTHING: [&str; 0] = [];

// Members that AWS sends and that these types do not have.
const NOT_OF_URLS: [&str; 5] = [
    "/routeKey",
    "/requestContext/routeKey",
    "/requestContext/stage",
    "/authorizer/iam/cognitoIdentity",
    "/authorizer/iam/principalOrgId",
];
const NOT_OF_PROXIES: [&str; 5] = [
    "/version", // of format 1.0: the type is made for REST APIs
    "/identity/cognitoAmr",
    "/identity/principalOrgId",
    "/requestContext/extendedRequestId",
    "/requestContext/deploymentId",
];
const NOT_OF_AUTHORIZERS: [&str; 11] = [
    "/multiValueHeaders",
    "/multiValueQueryStringParameters",
    "/requestContext/operationName",
    "/requestContext/extendedRequestId",
    "/requestContext/requestTime",
    "/requestContext/requestTimeEpoch",
    "/requestContext/protocol",
    "/requestContext/domainPrefix",
    "/requestContext/domainName",
    "/requestContext/deploymentId",
    "/identity/userAgent",
];

fn call<'a>(door: Door2, authorizer: Option<&'a Authorizer>, parameters: &'a [(String, String)]) -> HttpCall<'a> {
    let (stage, route_key) = match door {
        Door2::Url => ("$default", "$default"),
        Door2::HttpApi => ("test", "POST /pets/{id}"),
    };
    HttpCall {
        door,
        account_id: "000000000000",
        api_id: "abcdef1234",
        stage,
        route_key,
        path_parameters: parameters,
        stage_variables: parameters,
        authorizer,
    }
}

#[test]
fn events_of_function_urls() {
    let iam = authorizers().into_iter().filter(|one| matches!(one, None | Some(Authorizer::Iam(_))));
    for authorizer in iam {
        let call = call(Door2::Url, authorizer.as_ref(), &[]);
        for request in [request(), bare()] {
            let event = payload_2(&request, &ARRIVAL, &call);
            assert_eq!(lost_but::<LambdaFunctionUrlRequest>(&event, &NOT_OF_URLS), NOTHING);
            assert_eq!(lost::<ApiGatewayV2httpRequest>(&payload_2(&request, &ARRIVAL, &call)), NOTHING);
        }
    }
}

#[test]
fn events_of_http_apis() {
    let parameters = pairs("id", "7");
    for authorizer in authorizers() {
        let call = call(Door2::HttpApi, authorizer.as_ref(), &parameters);
        let event = payload_2(&request(), &ARRIVAL, &call);
        assert_eq!(lost::<ApiGatewayV2httpRequest>(&event), NOTHING);
        let read: ApiGatewayV2httpRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(read.query_string_parameters.all("many"), Some(vec!["1", "2"]));
        assert_eq!(read.headers["x-many"], "one,two");
        assert_eq!(read.path_parameters["id"], "7");
        assert_eq!(lost::<ApiGatewayV2httpRequest>(&payload_2(&bare(), &ARRIVAL, &call)), NOTHING);

        let event = payload_1(&request(), &ARRIVAL, &call);
        assert_eq!(lost_but::<ApiGatewayProxyRequest>(&event, &NOT_OF_PROXIES), NOTHING);
        let read: ApiGatewayProxyRequest = serde_json::from_slice(&event).unwrap();
        assert_eq!(read.multi_value_query_string_parameters.all("many"), Some(vec!["1", "2"]));
        assert_eq!(read.multi_value_headers.get_all("x-many").iter().collect::<Vec<_>>(), ["one", "two"]);
    }
}

#[test]
fn events_of_rest_apis() {
    let (parameters, binary) = (pairs("id", "7"), ["image/*".to_owned()]);
    for authorizer in authorizers() {
        for api_key in [None, Some(RestIdentity { api_key: "key", api_key_id: "id" })] {
            let call = rest_call(&parameters, &binary, authorizer.as_ref(), api_key);
            let event = rest_event(&request(), &ARRIVAL, &call);
            assert_eq!(lost_but::<ApiGatewayProxyRequest>(&event, &NOT_OF_PROXIES), NOTHING);
            let read: ApiGatewayProxyRequest = serde_json::from_slice(&event).unwrap();
            assert_eq!(read.multi_value_query_string_parameters.all("many"), Some(vec!["1", "2"]));
            assert_eq!(read.headers["content-type"], "application/json");
            assert_eq!(
                lost_but::<ApiGatewayProxyRequest>(&rest_event(&bare(), &ARRIVAL, &call), &NOT_OF_PROXIES),
                NOTHING
            );
        }
    }
}

fn rest_call<'a>(
    parameters: &'a [(String, String)],
    binary_media_types: &'a [String],
    authorizer: Option<&'a Authorizer>,
    api_key: Option<RestIdentity<'a>>,
) -> RestCall<'a> {
    RestCall {
        account_id: "000000000000",
        api_id: "abcdef1234",
        stage: "test",
        stage_variables: parameters,
        resource_id: "abc123",
        resource_path: "/pets/{id}",
        operation_name: Some("GetPet"),
        path_in_stage: "/pets/7",
        path_parameters: parameters,
        api_key,
        authorizer,
        extended_request_id: "extended=",
        deployment_id: "def456",
        binary_media_types,
    }
}

#[test]
fn events_of_load_balancers() {
    let group = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/pets/0123456789abcdef";
    for request in [request(), bare()] {
        for multi_value in [false, true] {
            let event = alb_event(&request, &ARRIVAL, group, multi_value);
            assert_eq!(lost::<AlbTargetGroupRequest>(&event), NOTHING);
        }
    }
    let read: AlbTargetGroupRequest = serde_json::from_slice(&alb_event(&request(), &ARRIVAL, group, true)).unwrap();
    assert_eq!(read.request_context.elb.target_group_arn.as_deref(), Some(group));
    assert_eq!(read.multi_value_query_string_parameters.all("many"), Some(vec!["1", "2"]));
    assert_eq!(read.multi_value_query_string_parameters.all("word"), Some(vec!["%C3%A9"]));
}

#[test]
fn events_of_websockets() {
    let (variables, request) = (pairs("stage", "variable"), request());
    for authorizer in authorizers() {
        let call = WebsocketCall {
            api_id: "abcdef1234",
            stage: "test",
            stage_variables: &variables,
            route_key: "$connect",
            connection_id: "d_R5lfqJIAMCEFw=",
            connected_at_ms: 1_587_481_701_000,
            domain_name: "abcdef1234.execute-api.us-east-1.amazonaws.com",
            source_ip: "1.2.3.4",
            user_agent: Some("curl/7.58.0"),
            authorizer: authorizer.as_ref(),
            request_id: "d_R5miQBoAMFkpA=",
            time_ms: 1_587_481_701_067,
        };
        for event in [
            WebsocketEvent::Connect { request: &request, arrival: &ARRIVAL },
            WebsocketEvent::Message { message_id: "d_R5n=", body: br#"{"action":"say"}"# },
            WebsocketEvent::Message { message_id: "d_R5n=", body: &[0, 255] },
            WebsocketEvent::Disconnect { status_code: 1001, reason: "Going away" },
        ] {
            let missing = lost::<ApiGatewayWebsocketProxyRequest>(&websocket_event(&call, &event));
            assert_eq!(missing, NOTHING);
        }
    }
}

#[test]
fn events_of_lambda_authorizers() {
    let arn = "arn:aws:execute-api:us-east-1:000000000000:abcdef1234/test/POST/pets/7";
    let (parameters, sources) = (pairs("id", "7"), ["Bearer token".to_owned()]);
    assert_eq!(lost::<ApiGatewayCustomAuthorizerRequest>(&rest_token_authorizer_event("token", arn)), NOTHING);
    for request in [request(), bare()] {
        let call = rest_call(&parameters, &[], None, None);
        let event = rest_request_authorizer_event(&request, &ARRIVAL, &call, arn);
        assert_eq!(lost_but::<ApiGatewayCustomAuthorizerRequestTypeRequest>(&event, &NOT_OF_AUTHORIZERS), NOTHING);

        let call = self::call(Door2::HttpApi, None, &parameters);
        for sources in [&sources[..], &[]] {
            let event = http_authorizer_event_1(&request, &ARRIVAL, &call, arn, sources);
            assert_eq!(lost_but::<ApiGatewayV2CustomAuthorizerV1Request>(&event, &NOT_OF_AUTHORIZERS), NOTHING);
            let event = http_authorizer_event_2(&request, &ARRIVAL, &call, arn, sources);
            assert_eq!(lost::<ApiGatewayV2CustomAuthorizerV2Request>(&event), NOTHING);
        }
    }
}
