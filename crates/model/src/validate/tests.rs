//! The words of every constraint, checked against those that AWS has been recorded to say.

use bytes::Bytes;
use http::{HeaderMap, Method};

use crate::{ApiError, Call, WireRequest, lambda};

fn decode(method: &str, path: &str, query: &str, body: &str) -> Result<Call, ApiError> {
    let (method, headers): (Method, _) = (method.parse().unwrap(), HeaderMap::new());
    let body = Bytes::from(body.to_owned());
    lambda().decode(&WireRequest { method: &method, path, query, headers: &headers, body })
}

fn create(body: &str) -> ApiError {
    decode("POST", "/2015-03-31/functions", "", body).expect_err("the request breaks a constraint")
}

const REST: &str = r#""FunctionName": "f", "Role": "arn:aws:iam::123456789012:role/r", "Code": {"ZipFile": ""}"#;

#[test]
fn one_violation_of_each_kind() {
    for (member, message) in [
        (
            r#""MemorySize": 100"#,
            "Value '100' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128",
        ),
        (
            r#""Timeout": 0"#,
            "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1",
        ),
        (
            r#""Handler": "a b""#,
            r"Value 'a b' at 'handler' failed to satisfy constraint: Member must satisfy regular expression pattern: [^\s]+",
        ),
        (
            r#""PackageType": "Tar""#,
            "Value 'Tar' at 'packageType' failed to satisfy constraint: Member must satisfy enum value set: [Zip, Image]",
        ),
        (
            r#""EphemeralStorage": {"Size": 1}"#,
            "Value '1' at 'ephemeralStorage.size' failed to satisfy constraint: Member must have value greater than or equal to 512",
        ),
        (
            r#""Timeout": 5401"#,
            "Value '5401' at 'timeout' failed to satisfy constraint: Member must have value less than or equal to 5400",
        ),
        (
            r#""Architectures": ["x86_64", "arm64"]"#,
            "Value '[x86_64, arm64]' at 'architectures' failed to satisfy constraint: Member must have length less than or equal to 1",
        ),
        (
            r#""Architectures": [null]"#,
            "Value '[null]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
        ),
        (
            r#""KMSKeyArn": "k e y""#,
            "Value 'k e y' at 'kMSKeyArn' failed to satisfy constraint: Member must satisfy regular expression pattern: (arn:(aws[a-zA-Z-]*)?:[a-z0-9-.]+:.*)|()",
        ),
        (
            r#""FileSystemConfigs": [{"LocalMountPath": "/mnt/a"}]"#,
            "Value null at 'fileSystemConfigs.1.member.arn' failed to satisfy constraint: Member must not be null",
        ),
        (
            r#""Environment": {"Variables": {"1": "secret"}}"#,
            "Value at 'environment.variables' failed to satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+, Member must not be null]",
        ),
        (
            r#""Environment": {"Variables": {"AA": null}}"#,
            "Value at 'environment.variables' failed to satisfy constraint: Map value must satisfy constraint: [Member must not be null]",
        ),
        (
            r#""EphemeralStorage": {}"#,
            "Value null at 'ephemeralStorage.size' failed to satisfy constraint: Member must not be null",
        ),
        (
            r#""Architectures": ["mips"]"#,
            "Value '[mips]' at 'architectures' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]",
        ),
    ] {
        let error = create(&format!("{{{REST}, {member}}}"));
        assert_eq!(error.code(), "ValidationException");
        assert_eq!(error.message(), format!("1 validation error detected: {message}"));
    }
}

#[test]
fn elements_of_lists_in_maps_count_too() {
    let body = r#"{"FunctionName": "f", "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": [""]}}}"#;
    let error = decode("POST", "/2015-03-31/event-source-mappings", "", body).unwrap_err();
    assert!(
        error.message().starts_with("1 validation error detected: Value '{KAFKA_BOOTSTRAP_SERVERS=[]}' at 'selfManagedEventSource.endpoints' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 10, Member must have length greater than or equal to 1, Member must satisfy constraint: [Member must have length less than or equal to 300, "),
        "{error}"
    );
}

#[test]
fn query_members_are_checked_as_well() {
    let path = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Af";
    let error = decode("DELETE", path, "", "").unwrap_err();
    assert_eq!(
        error.message(),
        "1 validation error detected: Value null at 'tagKeys' failed to satisfy constraint: Member must not be null"
    );
    assert!(decode("DELETE", path, "tagKeys=a&tagKeys=b", "").is_ok());
    let error = decode("GET", "/2015-03-31/functions", "MaxItems=0", "").unwrap_err();
    assert!(error.message().starts_with("1 validation error detected: Value '0' at 'maxItems' failed"), "{error}");
    let error = decode("GET", "/2018-10-31/layers", "CompatibleRuntime=cobol", "").unwrap_err();
    assert_eq!(error.code(), "ValidationException", "a filter by runtime is an ordinary enum");
}

#[test]
fn a_pattern_comes_before_a_length_of_the_same_member() {
    let name = format!("!{}", "a".repeat(256));
    let error = decode("GET", &format!("/2015-03-31/functions/{name}/configuration"), "", "").unwrap_err();
    let (pattern, length) = (error.message().find("regular expression"), error.message().find("have length"));
    assert!(error.message().starts_with("2 validation errors detected: ") && pattern < length, "{error}");
}

#[test]
fn several_violations_come_together_in_the_models_order() {
    let error = create(r#"{"FunctionName": "", "Role": "r", "Code": {}}"#);
    assert!(
        error.message().starts_with("3 validation errors detected: Value '' at 'functionName' failed"),
        "{}",
        error.message()
    );
    assert!(error.message().contains("; Value 'r' at 'role' failed"));
}

#[test]
fn secrets_and_blobs_are_not_repeated_and_long_values_are_cut() {
    let secret = create(&format!(r#"{{{REST}, "Environment": {{"Variables": {{"1": "secret"}}}}}}"#));
    assert!(!secret.message().contains("secret"), "{secret}");
    let long = "x ".repeat(100_000);
    let error = create(&format!(r#"{{{REST}, "Handler": "{long}", "Runtime": "{long}"}}"#));
    assert!(error.message().len() < 4_000);
    let error = create(&format!(r#"{{{REST}, "Runtime": "{long}"}}"#));
    assert!(error.message().len() < 4_000);
}

#[test]
fn the_runtime_has_words_of_its_own() {
    let error = create(&format!(r#"{{{REST}, "Runtime": "cobol"}}"#));
    assert_eq!(error.code(), "InvalidParameterValueException");
    assert!(
        error.message().starts_with(
            "Value cobol at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: ["
        )
    );
    assert!(error.message().ends_with("] or be a valid ARN"));
    assert!(error.message().contains("python3.13") && !error.message().contains("python2.7"));
}

#[test]
fn every_pattern_of_the_model_compiles() {
    for service in [lambda(), crate::logs(), crate::application_autoscaling(), crate::kinesis()] {
        for (name, shape) in &service.data.shapes {
            assert!(shape.pattern.is_none() || shape.regex().is_some(), "{name}: {:?}", shape.pattern);
        }
    }
}
