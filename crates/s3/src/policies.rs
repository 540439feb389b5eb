//! Policies of buckets: what may be one, whether it makes a bucket public, and what it allows.

use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};
use tindra_core::policy::{Context, Effect, Policy, PrincipalKind, Principals, Selection, Statement};

use crate::record::Bucket;
use crate::service::S3Service;
use crate::visitor::Asking;

/// A policy's text (AWS).
const POLICY_BYTES_MAX: usize = 20 << 10;

/// Reads a policy that is to be one of a bucket.
pub(crate) fn read(bucket: &Bucket, text: &str) -> S3Result<Policy> {
    if text.len() > POLICY_BYTES_MAX {
        return Err(malformed("Policy exceeds the maximum allowed document size.".to_owned()));
    }
    let policy = Policy::parse(text).map_err(|error| malformed(error.to_string()))?;
    policy.check_for_resource().map_err(|error| malformed(error.to_string()))?;
    for statement in &policy.statements {
        check_actions(statement)?;
        check_resources(bucket, statement)?;
    }
    Ok(policy)
}

fn check_actions(statement: &Statement) -> S3Result<()> {
    let (Selection::Only(actions) | Selection::AllBut(actions)) = &statement.actions;
    let is_of_s3 =
        |action: &str| action == "*" || action.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("s3:"));
    if actions.iter().all(|action| is_of_s3(action)) {
        return Ok(());
    }
    Err(malformed("Policy has invalid action".to_owned()))
}

fn check_resources(bucket: &Bucket, statement: &Statement) -> S3Result<()> {
    let Some(Selection::Only(resources) | Selection::AllBut(resources)) = &statement.resources else {
        return Err(malformed("Missing required field Resource".to_owned()));
    };
    let arn = bucket.arn();
    let is_inside = |resource: &str| {
        resource == arn
            || resource.strip_prefix(&arn).is_some_and(|rest| rest.starts_with('/') || rest.starts_with('*'))
    };
    if resources.iter().all(|resource| is_inside(resource)) {
        return Ok(());
    }
    Err(malformed("Policy has invalid resource".to_owned()))
}

fn malformed(message: String) -> S3Error {
    S3Error::with_message(S3ErrorCode::MalformedPolicy, message)
}

/// Whether it lets anybody in under no condition.
pub(crate) fn is_public(policy: &Policy) -> bool {
    policy.statements.iter().any(|statement| {
        let is_anybody = match &statement.principals {
            Some(Selection::Only(Principals::Everybody)) => true,
            Some(Selection::Only(Principals::Listed(listed))) => {
                listed.iter().any(|(kind, names)| *kind == PrincipalKind::Aws && names.iter().any(|name| name == "*"))
            }
            _ => false,
        };
        statement.effect == Effect::Allow && is_anybody && statement.conditions.is_empty()
    })
}

impl S3Service {
    /// Whether somebody may do something to a bucket or to an object of it.
    pub(crate) fn permit(&self, asking: &Asking, bucket: &Bucket, action: &str, key: Option<&str>) -> S3Result<()> {
        let Some(rights) = &asking.visitor.rights else { return Ok(()) };
        self.permit_with(asking, bucket, action, key, &rights.context)
    }

    /// As [`Self::permit`], with more that is known of the request.
    pub(crate) fn permit_with(
        &self,
        asking: &Asking,
        bucket: &Bucket,
        action: &str,
        key: Option<&str>,
        context: &Context,
    ) -> S3Result<()> {
        let Some(rights) = &asking.visitor.rights else { return Ok(()) };
        let resource = key.map_or_else(|| bucket.arn(), |key| format!("{}/{key}", bucket.arn()));
        let policy = bucket.policy.as_deref().map(|text| read(bucket, text)).transpose()?;
        let is_restricted = bucket.public_access.is_some_and(|access| access.restrict_buckets)
            && policy.as_ref().is_some_and(is_public)
            && rights.requester.account() != Some(&bucket.scope.account);
        let policy = policy.filter(|_| !is_restricted);
        let owner = &bucket.scope.account;
        match rights.refuse(action, &resource, context, policy.as_ref(), owner) {
            None => Ok(()),
            Some(message) => Err(denied(message)),
        }
    }

    /// Whether somebody may do something that is about no bucket that there is.
    pub(crate) fn permit_without_bucket(&self, asking: &Asking, action: &str, resource: &str) -> S3Result<()> {
        let Some(rights) = &asking.visitor.rights else { return Ok(()) };
        let owner = &asking.visitor.scope.account;
        match rights.refuse(action, resource, &rights.context, None, owner) {
            None => Ok(()),
            Some(message) => Err(denied(message)),
        }
    }
}

fn denied(message: String) -> S3Error {
    let mut error = s3_error!(AccessDenied);
    error.set_message(message);
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(principal: &str, condition: &str) -> Policy {
        let text = format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"{condition}}}]}}"#
        );
        Policy::parse(&text).unwrap()
    }

    #[test]
    fn a_policy_is_public_that_lets_anybody_in() {
        assert!(is_public(&policy(r#""*""#, "")));
        assert!(is_public(&policy(r#"{"AWS":"*"}"#, "")));
        assert!(!is_public(&policy(r#"{"AWS":"arn:aws:iam::123456789012:root"}"#, "")));
        assert!(!is_public(&policy(r#""*""#, r#","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}"#)));
    }
}
