//! Forms and XML as botocore writes and reads them.

use bytes::Bytes;
use http::{HeaderMap, Method};
use proptest::prelude::{any, prop};
use proptest::proptest;
use serde_json::{Value, json};

use crate::{ApiError, Call, Reply, Service, WireRequest, iam, sts};

fn decode(service: &'static Service, query: &str, body: &str) -> Result<Call, ApiError> {
    let (method, headers, body) = (Method::POST, HeaderMap::new(), Bytes::copy_from_slice(body.as_bytes()));
    service.decode(&WireRequest { method: &method, path: "/", query, headers: &headers, body })
}

fn input(body: &str) -> Value {
    decode(iam(), "", body).unwrap().input
}

#[test]
fn a_form_becomes_members() {
    let call = decode(
        iam(),
        "",
        "Action=CreateRole&Version=2010-05-08&RoleName=r&Path=%2Fa%2F&AssumeRolePolicyDocument=%7B%22a%22%3A+1%7D\
         &MaxSessionDuration=3600&Tags.member.2.Key=b&Tags.member.2.Value=&Tags.member.1.Key=a&Tags.member.1.Value=x+y%2B&Unknown=1",
    )
    .unwrap();
    assert_eq!(call.operation.name(), "CreateRole");
    assert_eq!(
        call.input,
        json!({
            "Path": "/a/",
            "RoleName": "r",
            "AssumeRolePolicyDocument": "{\"a\": 1}",
            "MaxSessionDuration": 3600,
            "Tags": [{"Key": "a", "Value": "x y+"}, {"Key": "b", "Value": ""}],
        })
    );
}

#[test]
fn lists_are_counted_and_not_sorted_as_text() {
    let body: String = (1..=11).map(|number| format!("&TagKeys.member.{number}=k{number}")).collect();
    let keys = input(&format!("Action=UntagUser&UserName=u{body}"))["TagKeys"].clone();
    assert_eq!(keys[1], "k2");
    assert_eq!(keys[10], "k11");
    assert_eq!(input("Action=UntagUser&UserName=u&TagKeys=")["TagKeys"], json!([]));
}

#[test]
fn scalars_have_the_kind_of_the_model() {
    assert_eq!(input("Action=ListPolicies&OnlyAttached=TRUE&MaxItems=7"), json!({"OnlyAttached": true, "MaxItems": 7}));
    let error = decode(iam(), "", "Action=ListPolicies&MaxItems=many").unwrap_err();
    assert_eq!(error.code(), "SerializationException");
    assert!(error.message().starts_with("MaxItems must be a whole number"), "{error}");
}

#[test]
fn the_query_string_serves_as_well() {
    let call = decode(sts(), "Action=GetCallerIdentity&Version=2011-06-15", "").unwrap();
    assert_eq!(call.operation.name(), "GetCallerIdentity");
}

#[test]
fn what_is_no_operation_of_the_service_is_not_found() {
    for body in ["", "Action=Nothing", "Version=2010-05-08", "Action=GetUser&Version=2011-06-15", "Action=AssumeRole"] {
        assert_eq!(decode(iam(), "", body).unwrap_err().code(), "UnknownOperationException", "{body}");
    }
}

#[test]
fn every_violation_is_told() {
    let error = decode(iam(), "", "Action=CreateUser&UserName=a%2Fb&Tags.member.1.Key=").unwrap_err();
    assert_eq!(error.code(), "ValidationException");
    assert!(error.message().starts_with("4 validation errors detected: "), "{error}");
    assert!(error.message().contains("'tags.1.member.value'"), "{error}");
}

#[test]
fn iam_has_words_of_its_own_for_names() {
    let error = decode(iam(), "", "Action=GetRole&RoleName=service-role%2Fworker").unwrap_err();
    assert_eq!(
        error.message(),
        "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
    );
}

#[test]
fn forms_without_end_are_refused() {
    let deep = format!("Action=GetUser&{}=1", vec!["a"; 17].join("."));
    let many = format!("Action=GetUser{}", "&a=1".repeat(10_001));
    for body in [deep, many] {
        assert_eq!(decode(iam(), "", &body).unwrap_err().code(), "SerializationException");
    }
}

proptest! {
    /// Whatever is sent, the answer is a call or one of the caller's own faults.
    #[test]
    fn any_form_is_read_or_refused(
        action in prop::sample::select(vec!["CreateRole", "TagUser", "ListPolicies", "UpdateRole", "None"]),
        rest in "[A-Za-z.=&%+0-9é]{0,80}",
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let (method, headers) = (Method::POST, HeaderMap::new());
        let mut body = format!("Action={action}&RoleName=r&Tags.member.1.Key=k&{rest}").into_bytes();
        for extra in [Vec::new(), bytes] {
            body.extend(extra);
            let body = Bytes::copy_from_slice(&body);
            let request = WireRequest { method: &method, path: "/", query: &rest, headers: &headers, body };
            if let Err(error) = iam().decode(&request) {
                assert_eq!(iam().encode_error(&error, "id").status(), 400);
            }
        }
    }
}

#[test]
fn answers_are_wrapped_and_escaped() {
    let operation = iam().route_form("Action=ListUserTags", b"").unwrap();
    let output = json!({"Tags": [{"Key": "a<b", "Value": "\"&\""}], "IsTruncated": false});
    let response = iam().encode(operation, Reply::new(output), "id");
    assert_eq!(response.headers()["content-type"], "text/xml");
    assert_eq!(
        response.body(),
        "<ListUserTagsResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><ListUserTagsResult>\
         <Tags><member><Key>a&lt;b</Key><Value>&quot;&amp;&quot;</Value></member></Tags><IsTruncated>false</IsTruncated>\
         </ListUserTagsResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></ListUserTagsResponse>"
    );
    let operation = iam().route_form("Action=DeleteUser", b"").unwrap();
    assert_eq!(
        iam().encode(operation, Reply::new(json!({})), "id").body(),
        "<DeleteUserResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\
         <ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></DeleteUserResponse>"
    );
}

#[test]
fn times_are_dates() {
    let operation = iam().route_form("Action=GetUser", b"").unwrap();
    let output = json!({"User": {"UserName": "u", "CreateDate": 1_767_323_045.9}});
    let text = iam().encode(operation, Reply::new(output), "id");
    let text = String::from_utf8_lossy(text.body()).into_owned();
    assert!(text.contains("<CreateDate>2026-01-02T03:04:05Z</CreateDate>"), "{text}");
}

#[test]
fn errors_have_the_codes_of_the_model() {
    for (code, status, wire, culprit) in [
        ("NoSuchEntityException", 404, "NoSuchEntity", "Sender"),
        ("EntityAlreadyExistsException", 409, "EntityAlreadyExists", "Sender"),
        ("MalformedPolicyDocumentException", 400, "MalformedPolicyDocument", "Sender"),
        ("ServiceFailureException", 500, "ServiceFailure", "Receiver"),
        ("ValidationException", 400, "ValidationError", "Sender"),
        ("AccessDeniedException", 403, "AccessDenied", "Sender"),
        ("UnrecognizedClientException", 403, "InvalidClientTokenId", "Sender"),
        ("ExpiredTokenException", 403, "ExpiredToken", "Sender"),
    ] {
        let response = iam().encode_error(&ApiError::new(code, "a & b"), "id");
        assert_eq!(response.status(), status, "{code}");
        assert_eq!(
            response.body(),
            &format!(
                "<ErrorResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><Error><Type>{culprit}</Type>\
                 <Code>{wire}</Code><Message>a &amp; b</Message></Error><RequestId>id</RequestId></ErrorResponse>"
            )
        );
    }
}
