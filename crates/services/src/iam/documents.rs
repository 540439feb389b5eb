//! Policy documents: what is accepted, and how they travel.

use serde_json::Value;

use super::IamError;

/// What a policy is for, which decides what its statements must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Of a user, role or session: what it may do.
    Identity,
    /// Of a role: who may assume it.
    Trust,
}

const INVALID: &str = "Syntax errors in policy.";

/// Refuses what is not the JSON of a policy.
pub(crate) fn check(document: &str, purpose: Purpose) -> Result<(), IamError> {
    let malformed = IamError::malformed_policy;
    let Ok(Value::Object(policy)) = serde_json::from_str::<Value>(document) else {
        return Err(malformed("This policy contains invalid Json"));
    };
    match policy.get("Version").map(Value::as_str) {
        Some(Some("2012-10-17" | "2008-10-17")) => {}
        None if purpose == Purpose::Trust => {}
        _ => return Err(malformed("Policy document must be version 2012-10-17 or greater.")),
    }
    if policy.keys().any(|member| !["Version", "Id", "Statement"].contains(&member.as_str())) {
        return Err(malformed(INVALID));
    }
    let statements = match policy.get("Statement") {
        Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
        Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
        _ => return Err(malformed(INVALID)),
    };
    statements.iter().try_for_each(|statement| check_statement(statement, purpose))
}

const STATEMENT_MEMBERS: [&str; 9] =
    ["Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"];

fn check_statement(statement: &Value, purpose: Purpose) -> Result<(), IamError> {
    let malformed = |message: &str| Err(IamError::malformed_policy(message));
    let Value::Object(members) = statement else { return malformed(INVALID) };
    if members.keys().any(|member| !STATEMENT_MEMBERS.contains(&member.as_str())) {
        return malformed(INVALID);
    }
    if !matches!(members.get("Effect").and_then(Value::as_str), Some("Allow" | "Deny")) {
        return malformed(INVALID);
    }
    let has_one = |name: &str, opposite: &str| members.contains_key(name) != members.contains_key(opposite);
    let is_text = |name: &str| members.get(name).is_none_or(is_text_or_texts);
    if !["Action", "NotAction", "Resource", "NotResource"].into_iter().all(is_text) {
        return malformed(INVALID);
    }
    if !has_one("Action", "NotAction") {
        return malformed("Policy statement must contain actions.");
    }
    let has_principal = members.contains_key("Principal") || members.contains_key("NotPrincipal");
    let has_resource = members.contains_key("Resource") || members.contains_key("NotResource");
    match purpose {
        Purpose::Identity if has_principal => malformed("Policy document should not specify a principal."),
        Purpose::Identity if !has_one("Resource", "NotResource") => {
            malformed("Policy statement must contain resources.")
        }
        Purpose::Trust if has_resource => malformed("Has prohibited field Resource"),
        Purpose::Trust if !has_principal => malformed("Missing required field Principal"),
        Purpose::Identity | Purpose::Trust => Ok(()),
    }
}

fn is_text_or_texts(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(items) => !items.is_empty() && items.iter().all(Value::is_string),
        _ => false,
    }
}

/// Characters as quotas count them: without white space (IAM User Guide, "IAM and AWS STS quotas").
pub(crate) fn size(document: &str) -> usize {
    document.chars().filter(|letter| !letter.is_whitespace()).count()
}

/// As answers carry a document: percent-encoded by RFC 3986, which clients undo.
pub(super) fn encoded(document: &str) -> String {
    let mut text = String::with_capacity(document.len() * 2);
    for byte in document.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
