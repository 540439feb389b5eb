//! Adding statements to a policy document and taking them away, for every resource that has a policy.

use tindra_core::limits;
use tindra_core::policy::{Policy, Statement, Version};

use crate::error::ControlError;

/// A document without statements, as AWS begins it.
fn empty() -> Policy {
    Policy { version: Some(Version::Of2012), id: Some("default".to_owned()), statements: Vec::new() }
}

/// Adds a statement whose Sid must be new.
pub(crate) fn with_statement(policy: Option<Policy>, statement: Statement) -> Result<Policy, ControlError> {
    let mut policy = policy.unwrap_or_else(empty);
    if let Some(sid) = statement.sid.as_deref().filter(|sid| has_statement(&policy, sid)) {
        return Err(ControlError::Conflict(format!(
            "The statement id ({sid}) provided already exists. Please provide a new statement id, or remove the existing statement."
        )));
    }
    policy.statements.push(statement);
    check_length(&policy)?;
    Ok(policy)
}

/// Takes a statement away; nothing is left when it was the last.
pub(crate) fn without_statement(policy: Option<Policy>, sid: &str) -> Result<Option<Policy>, ControlError> {
    let Some(mut policy) = policy else {
        return Err(ControlError::Missing("No policy is associated with the given resource.".to_owned()));
    };
    if !has_statement(&policy, sid) {
        return Err(ControlError::Missing(format!("Statement {sid} is not found in resource policy.")));
    }
    policy.statements.retain(|statement| statement.sid.as_deref() != Some(sid));
    Ok(Some(policy).filter(|policy| !policy.statements.is_empty()))
}

/// Refuses a document that is too long once printed.
pub(crate) fn check_length(policy: &Policy) -> Result<(), ControlError> {
    if policy.to_string().len() <= limits::RESOURCE_POLICY_BYTES_MAX {
        return Ok(());
    }
    Err(ControlError::Refused {
        code: "PolicyLengthExceededException",
        message: format!("The final policy size is bigger than the limit ({}).", limits::RESOURCE_POLICY_BYTES_MAX),
    })
}

fn has_statement(policy: &Policy, sid: &str) -> bool {
    policy.statements.iter().any(|statement| statement.sid.as_deref() == Some(sid))
}
