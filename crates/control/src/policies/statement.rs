//! Statements that grant one action on one resource to one principal, as the API's permissions are.

use tindra_core::policy::{Comparison, Condition, Effect, Operator, PrincipalKind, Principals, Selection, Statement};

use crate::error::ControlError;

/// A grant without conditions.
pub(crate) fn grant(sid: &str, principal: &str, action: &str, resource: &str) -> Result<Statement, ControlError> {
    Ok(Statement {
        sid: Some(sid.to_owned()),
        effect: Effect::Allow,
        principals: Some(Selection::Only(principals(principal)?)),
        actions: Selection::Only(vec![action.to_owned()]),
        resources: Some(Selection::Only(vec![resource.to_owned()])),
        conditions: Vec::new(),
    })
}

/// Adds a condition when the request has a value for it; an empty text is none.
pub(crate) fn require(statement: &mut Statement, comparison: Comparison, key: &str, value: Option<&str>) {
    if let Some(value) = value.filter(|value| !value.is_empty()) {
        statement.conditions.push(Condition {
            operator: Operator::plain(comparison),
            key: key.to_owned(),
            values: vec![value.to_owned()],
        });
    }
}

/// Who is meant by `Principal`: everybody, an account (its number or the ARN of its root), an identity, or a
/// service.
fn principals(principal: &str) -> Result<Principals, ControlError> {
    let listed = |kind, name: String| Ok(Principals::Listed(vec![(kind, vec![name])]));
    if principal == "*" {
        return Ok(Principals::Everybody);
    }
    if is_account(principal) {
        return listed(PrincipalKind::Aws, format!("arn:aws:iam::{principal}:root"));
    }
    if is_identity(principal) {
        return listed(PrincipalKind::Aws, principal.to_owned());
    }
    if is_service(principal) {
        return listed(PrincipalKind::Service, principal.to_owned());
    }
    Err(ControlError::invalid("The provided principal was invalid. Please check the principal and try again."))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The ARN of an account's root, a user, a role, or a session of a role.
fn is_identity(text: &str) -> bool {
    let parts: Vec<&str> = text.splitn(6, ':').collect();
    let &["arn", partition, service, "", account, name] = parts.as_slice() else { return false };
    let starts = |kinds: &[&str]| kinds.iter().any(|kind| name.len() > kind.len() && name.starts_with(kind));
    partition.starts_with("aws")
        && is_account(account)
        && match service {
            "iam" => name == "root" || starts(&["user/", "role/"]),
            "sts" => starts(&["assumed-role/", "federated-user/"]),
            _ => false,
        }
}

/// For example `s3.amazonaws.com`, or `alexa-appkit.amazon.com`.
fn is_service(text: &str) -> bool {
    const DOMAINS: [&str; 4] = [".amazonaws.com", ".amazonaws.com.cn", ".amazon.com", ".aws.internal"];
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    DOMAINS.iter().filter_map(|domain| text.strip_suffix(domain)).any(|name| name.split('.').all(is_label))
}

#[cfg(test)]
mod tests {
    use super::grant;

    #[test]
    fn a_principal_is_printed_as_what_it_is() {
        for (principal, printed) in [
            ("*", r#""*""#),
            ("123456789012", r#"{"AWS":"arn:aws:iam::123456789012:root"}"#),
            ("arn:aws:iam::123456789012:role/path/r", r#"{"AWS":"arn:aws:iam::123456789012:role/path/r"}"#),
            ("arn:aws:sts::123456789012:assumed-role/r/s", r#"{"AWS":"arn:aws:sts::123456789012:assumed-role/r/s"}"#),
            ("s3.amazonaws.com", r#"{"Service":"s3.amazonaws.com"}"#),
            ("logs.eu-west-1.amazonaws.com", r#"{"Service":"logs.eu-west-1.amazonaws.com"}"#),
            ("alexa-appkit.amazon.com", r#"{"Service":"alexa-appkit.amazon.com"}"#),
        ] {
            let statement = grant("a", principal, "lambda:InvokeFunction", "arn").unwrap();
            let rest = r#","Action":"lambda:InvokeFunction","Resource":"arn"}"#;
            let expected = format!(r#"{{"Sid":"a","Effect":"Allow","Principal":{printed}{rest}"#);
            assert_eq!(statement.to_string(), expected);
        }
    }

    #[test]
    fn other_texts_are_no_principals() {
        for principal in [
            "",
            "s3",
            "example.com",
            ".amazonaws.com",
            "s3 .amazonaws.com",
            "12345678901",
            "arn:aws:iam::1:root",
            "arn:aws:iam::123456789012:group/g",
            "arn:aws:s3:::bucket",
            "arn:aws:iam::123456789012:role/",
        ] {
            assert!(grant("a", principal, "lambda:InvokeFunction", "arn").is_err(), "{principal}");
        }
    }
}
