//! What can be wrong with a document, and where.

use super::{Effect, Policy, Selection};

/// A document that is not a policy. The text reads on its own: `Statement[1].Effect: must be "Allow" or
/// "Deny", not "allow"`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// No JSON, or a member twice in one object.
    #[error("the policy is not valid JSON: {problem}")]
    Json {
        /// With line and column.
        problem: String,
    },
    /// JSON, but not what the language knows.
    #[error("{place}: {problem}")]
    Element {
        /// A path such as `Statement[0].Condition.StringEquals`; statements count from 0.
        place: String,
        /// What is wrong there.
        problem: String,
    },
}

impl PolicyError {
    pub(super) fn at(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Element { place: place.into(), problem: problem.into() }
    }
}

impl Policy {
    /// Checks what holds for the policies of users, groups and roles: they name resources and no principals,
    /// their actions name a service, their resources are ARNs or `*`, their Sids are letters and digits.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_for_identity(&self) -> Result<(), PolicyError> {
        for (index, statement) in self.statements.iter().enumerate() {
            let place = |element: &str| format!("Statement[{index}].{element}");
            if statement.principals.is_some() {
                return Err(PolicyError::at(place("Principal"), "an identity's policy must not name principals"));
            }
            let Some(resources) = &statement.resources else {
                return Err(PolicyError::at(place("Resource"), "missing"));
            };
            if let Some(action) = listed(&statement.actions).iter().find(|action| !names_service(action)) {
                return Err(PolicyError::at(place("Action"), format!("\"{action}\" does not begin with a service")));
            }
            if let Some(resource) = listed(resources).iter().find(|resource| !names_resource(resource)) {
                return Err(PolicyError::at(place("Resource"), format!("\"{resource}\" must be an ARN or \"*\"")));
            }
            if statement.sid.as_deref().is_some_and(|sid| !sid.bytes().all(|byte| byte.is_ascii_alphanumeric())) {
                return Err(PolicyError::at(place("Sid"), "must be letters and digits"));
            }
        }
        Ok(())
    }

    /// Checks what holds for the policy of a resource (a role's trust policy is one): every statement says whom
    /// it means, and only a denial says whom it does not mean.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check_for_resource(&self) -> Result<(), PolicyError> {
        for (index, statement) in self.statements.iter().enumerate() {
            match (&statement.principals, statement.effect) {
                (None, _) => return Err(PolicyError::at(format!("Statement[{index}].Principal"), "missing")),
                (Some(Selection::AllBut(_)), Effect::Allow) => {
                    let place = format!("Statement[{index}].NotPrincipal");
                    return Err(PolicyError::at(place, "must not stand with the effect \"Allow\""));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn listed(selection: &Selection<Vec<String>>) -> &[String] {
    match selection {
        Selection::Only(items) | Selection::AllBut(items) => items,
    }
}

fn names_service(action: &str) -> bool {
    action == "*" || action.split_once(':').is_some_and(|(service, name)| !service.is_empty() && !name.is_empty())
}

fn names_resource(resource: &str) -> bool {
    resource == "*" || resource.starts_with("arn:") || resource.starts_with("${")
}
