//! Records as the API shows them.

use serde_json::{Value, json};
use tindra_core::clock::UnixMs;

use super::documents::encoded;
use super::records::{Entity, Kind, Policy, Version};

/// How much of a resource an answer shows: lists leave out tags and boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    All,
    Listed,
}

/// Seconds since 1970.
pub(super) fn time(unix_ms: UnixMs) -> Value {
    Value::from(unix_ms / 1_000)
}

/// A `User` or `Role` structure.
pub(super) fn entity(entity: &Entity, account: &str, detail: Detail) -> Value {
    let title = entity.kind.title();
    let mut shown = json!({
        "Path": entity.path,
        format!("{title}Name"): entity.name,
        format!("{title}Id"): entity.id,
        "Arn": entity.arn(account),
        "CreateDate": time(entity.created_ms),
    });
    if let Some(role) = &entity.role {
        shown["AssumeRolePolicyDocument"] = encoded(&role.trust).into();
        shown["MaxSessionDuration"] = role.max_session_s.into();
        if let Some(description) = &role.description {
            shown["Description"] = description.as_str().into();
        }
    }
    if detail == Detail::All {
        if !entity.tags.is_empty() {
            shown["Tags"] = json!(entity.tags);
        }
        if let Some(arn) = &entity.boundary {
            shown["PermissionsBoundary"] =
                json!({ "PermissionsBoundaryType": "PermissionsBoundaryPolicy", "PermissionsBoundaryArn": arn });
        }
    }
    debug_assert!(entity.kind == Kind::User || entity.role.is_some());
    shown
}

/// A `Policy` structure.
pub(super) fn policy(policy: &Policy, account: &str, detail: Detail) -> Value {
    let mut shown = json!({
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn(account),
        "Path": policy.path,
        "DefaultVersionId": format!("v{}", policy.default_version),
        "AttachmentCount": policy.attachments,
        "PermissionsBoundaryUsageCount": policy.boundaries,
        "IsAttachable": true,
        "CreateDate": time(policy.created_ms),
        "UpdateDate": time(policy.updated_ms),
    });
    if detail == Detail::All {
        if let Some(description) = &policy.description {
            shown["Description"] = description.as_str().into();
        }
        if !policy.tags.is_empty() {
            shown["Tags"] = json!(policy.tags);
        }
    }
    shown
}

/// A `PolicyVersion` structure; lists leave the document out.
pub(super) fn version(version: &Version, default_version: u32, detail: Detail) -> Value {
    let mut shown = json!({
        "VersionId": format!("v{}", version.number),
        "IsDefaultVersion": version.number == default_version,
        "CreateDate": time(version.created_ms),
    });
    if detail == Detail::All {
        shown["Document"] = encoded(&version.document).into();
    }
    shown
}
