//! Members of requests that have no behaviour here, and what is said to whoever uses them.
//!
//! A member is acted on or it is in this table; nothing is accepted and forgotten. The tests of [`crate::parity`]
//! compare that with the service model, so that a new member of the API cannot slip in.

use serde_json::Value;

use crate::error::ControlError;

/// A value that asks for nothing, so that tools which always send the member work.
#[derive(Clone, Copy, Debug)]
enum Harmless {
    /// There is none.
    Nothing,
    /// Exactly this text.
    Text(&'static str),
    /// Everything but this text.
    AllBut(&'static str),
    /// `false`, an empty text, list or map, or a structure of such.
    Empty,
}

struct Rule {
    member: &'static str,
    harmless: Harmless,
    sentence: &'static str,
}

const fn rule(member: &'static str, harmless: Harmless, sentence: &'static str) -> Rule {
    Rule { member, harmless, sentence }
}

const REFERENCES: &str = "code is copied from S3; it cannot be used where it lies (REFERENCE)";
const IMAGES: &str = "container images are not supported in this version; use a zip";
const LATEST_PUBLISHED: &str = "$LATEST.PUBLISHED is not supported; invoke $LATEST, or a numbered version (Publish)";
const KEYS: &str = "keys of a key management service are not supported; data lies in the server's data directory";
const CUSTOM_RUNTIMES: &str =
    "customer-managed runtimes are not supported; use provided.al2023 with the runtime in the zip";

/// For a nested member a rule for its parent is enough.
static RULES: [Rule; 14] = [
    rule("Code.S3ObjectStorageMode", Harmless::Text("COPY"), REFERENCES),
    rule("Content.S3ObjectStorageMode", Harmless::Text("COPY"), REFERENCES),
    rule("Code.ImageUri", Harmless::Nothing, IMAGES),
    rule("Code.SourceKMSKeyArn", Harmless::Empty, KEYS),
    rule("PackageType", Harmless::Text("Zip"), IMAGES),
    rule("ImageConfig", Harmless::Empty, IMAGES),
    rule("PublishTo", Harmless::Nothing, LATEST_PUBLISHED),
    rule("KMSKeyArn", Harmless::Empty, KEYS),
    rule("FileSystemConfigs", Harmless::Empty, "network file systems are not supported"),
    rule("TenancyConfig", Harmless::Nothing, "tenant isolation is not supported in this version"),
    rule("DurableConfig", Harmless::Nothing, "durable functions are not supported in this version"),
    rule("RuntimeConfig", Harmless::Empty, CUSTOM_RUNTIMES),
    rule("Runtime", Harmless::AllBut("custom"), CUSTOM_RUNTIMES),
    rule("AcceleratorConfig", Harmless::Empty, "accelerators are not supported"),
];

/// Refuses a request that asks for something that has no behaviour here.
pub(crate) fn refuse(input: &Value) -> Result<(), ControlError> {
    for rule in &RULES {
        let Some(value) = find(input, rule.member) else { continue };
        if !is_harmless(rule.harmless, value) {
            return Err(ControlError::Invalid(format!("{}: {}.", rule.member, rule.sentence)));
        }
    }
    Ok(())
}

/// The value of a member; those under `Code` lie at the top in UpdateFunctionCode.
fn find<'a>(input: &'a Value, member: &str) -> Option<&'a Value> {
    let nested = member.split('.').try_fold(input, |value, name| value.get(name));
    let flat = || member.strip_prefix("Code.").and_then(|name| input.get(name));
    nested.or_else(flat).filter(|value| !value.is_null())
}

fn is_harmless(harmless: Harmless, value: &Value) -> bool {
    match harmless {
        Harmless::Nothing => false,
        Harmless::Text(text) => value == text,
        Harmless::AllBut(text) => value != text,
        Harmless::Empty => is_empty(value),
    }
}

/// Nothing, whatever its kind.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.values().all(is_empty),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// The operations whose requests are looked at.
#[cfg(test)]
const OPERATIONS: [&str; 5] =
    ["CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration", "PublishVersion", "PublishLayerVersion"];

/// Why a member, or one that it is inside of, is refused.
#[cfg(test)]
pub(crate) fn refusal(operation: &str, member: &str) -> Option<&'static str> {
    let rule = rules_of(operation).find(|rule| !matches!(rule.harmless, Harmless::AllBut(_)) && rule.covers(member))?;
    Some(rule.sentence)
}

/// What of a member that acts is refused.
#[cfg(test)]
pub(crate) fn partly(operation: &str, member: &str) -> Option<String> {
    rules_of(operation).find_map(|rule| match rule.harmless {
        Harmless::AllBut(text) if rule.member == member => Some(format!("`{text}` is refused: {}", rule.sentence)),
        _ => None,
    })
}

#[cfg(test)]
fn rules_of(operation: &str) -> impl Iterator<Item = &'static Rule> {
    let is_looked_at = OPERATIONS.contains(&operation);
    RULES.iter().filter(move |_| is_looked_at)
}

#[cfg(test)]
impl Rule {
    fn covers(&self, member: &str) -> bool {
        let flat = self.member.strip_prefix("Code.").unwrap_or(self.member);
        [self.member, flat]
            .iter()
            .any(|refused| member.strip_prefix(refused).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::refuse;

    #[test]
    fn what_tools_always_send_is_accepted() {
        let input = json!({
            "Publish": false,
            "PackageType": "Zip",
            "Runtime": "python3.12",
            "TracingConfig": { "Mode": "PassThrough" },
            "VpcConfig": { "SubnetIds": [], "SecurityGroupIds": [], "Ipv6AllowedForDualStack": false },
            "DeadLetterConfig": { "TargetArn": "" },
            "KMSKeyArn": "",
            "Layers": [],
            "FileSystemConfigs": [],
            "ImageConfig": {},
            "DurableConfig": null,
        });
        assert!(refuse(&input).is_ok());
    }

    #[test]
    fn what_would_be_forgotten_is_refused_by_name() {
        for (input, member) in [
            (json!({ "PackageType": "Image" }), "PackageType"),
            (json!({ "Code": { "S3ObjectStorageMode": "REFERENCE" } }), "Code.S3ObjectStorageMode"),
            (json!({ "ImageUri": "x" }), "Code.ImageUri"),
            (json!({ "Runtime": "custom" }), "Runtime"),
            (json!({ "TenancyConfig": { "TenantIsolationMode": "PER_TENANT" } }), "TenancyConfig"),
        ] {
            let error = refuse(&input).unwrap_err().to_string();
            assert!(error.starts_with(&format!("{member}: ")), "{error}");
        }
    }
}
