//! The managed policies of AWS that deployments of functions name, with AWS's documents.
//!
//! They belong to no account and cannot be changed. `data/aws_managed_policies.json` has them, one a line.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ids;
use super::records::{Policy, Version};

/// The account in their ARNs.
pub(super) const ACCOUNT: &str = "aws";

#[derive(Debug, Deserialize)]
struct Line {
    name: String,
    path: String,
    version: u32,
    created_s: u64,
    updated_s: u64,
    document: Box<RawValue>,
}

static ALL: LazyLock<Vec<Policy>> = LazyLock::new(|| {
    let lines: Vec<Line> = serde_json::from_str(include_str!("../../data/aws_managed_policies.json"))
        .expect("the policies in the binary are well-formed");
    lines.into_iter().map(policy).collect()
});

/// Sorted by name.
pub(super) fn all() -> &'static [Policy] {
    &ALL
}

/// The policy of an ARN like `arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole`.
pub(super) fn find(arn: &str) -> Option<&'static Policy> {
    all().iter().find(|policy| policy.arn(ACCOUNT) == arn)
}

/// Only the current version of each is known; AWS keeps the earlier ones as well.
fn policy(line: Line) -> Policy {
    let version =
        Version { number: line.version, document: line.document.get().to_owned(), created_ms: line.updated_s * 1_000 };
    Policy {
        id: ids::named("ANPA", &line.name),
        name: line.name,
        path: line.path,
        description: None,
        created_ms: line.created_s * 1_000,
        updated_ms: line.updated_s * 1_000,
        tags: Vec::new(),
        default_version: version.number,
        next_version: version.number + 1,
        versions: vec![version],
        attachments: 0,
        boundaries: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::documents::{Purpose, check};

    #[test]
    fn every_document_is_a_policy_and_every_arn_is_found() {
        assert!(all().len() > 40);
        assert!(all().is_sorted_by_key(|policy| &policy.name));
        for policy in all() {
            check(&policy.versions[0].document, Purpose::Identity).unwrap();
            assert_eq!(find(&policy.arn(ACCOUNT)).unwrap().name, policy.name);
        }
        assert!(find("arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole").is_some());
        assert!(find("arn:aws:iam::aws:policy/AWSLambdaBasicExecutionRole").is_none());
    }
}
