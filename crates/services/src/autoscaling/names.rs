//! What is scaled, in the words of requests, of ARNs and of the store.

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;
use tindra_core::name::LATEST;
use tindra_core::provisioned::Provisioned;

use super::AutoscalingError;
use super::records::{ACTIVITY_PREFIX, TARGET_PREFIX};

/// The one service namespace that is served.
pub(super) const NAMESPACE: &str = "lambda";
/// The one scalable dimension that is served.
pub(super) const DIMENSION: &str = "lambda:function:ProvisionedConcurrency";

/// A version or an alias of a function.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct ScaledName {
    pub(super) function: String,
    pub(super) qualifier: String,
}

/// The same with its account and region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name of the function.
    pub function: String,
    /// A version's number or an alias.
    pub qualifier: String,
}

/// The members by which a request names what is scaled.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Subject {
    service_namespace: String,
    resource_id: String,
    scalable_dimension: String,
}

impl Subject {
    pub(super) fn name(&self) -> Result<ScaledName, AutoscalingError> {
        check_namespace(&self.service_namespace)?;
        check_dimension(&self.scalable_dimension)?;
        ScaledName::parse(&self.resource_id)
    }
}

/// The members by which a list of what there is can be made shorter.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Filter {
    service_namespace: String,
    resource_id: Option<String>,
    scalable_dimension: Option<String>,
}

impl Filter {
    /// The one that is asked for; none means all.
    pub(super) fn name(&self) -> Result<Option<ScaledName>, AutoscalingError> {
        check_namespace(&self.service_namespace)?;
        if let Some(dimension) = &self.scalable_dimension {
            check_dimension(dimension)?;
            if self.resource_id.is_none() {
                return Err(no_resource_id());
            }
        }
        self.resource_id.as_deref().map(ScaledName::parse).transpose()
    }
}

pub(super) fn no_resource_id() -> AutoscalingError {
    AutoscalingError::invalid("If you specify a scalable dimension, you must also specify a resource ID.")
}

pub(super) fn check_namespace(namespace: &str) -> Result<(), AutoscalingError> {
    match namespace == NAMESPACE {
        true => Ok(()),
        false => Err(AutoscalingError::invalid(format!(
            "tindra scales the provisioned concurrency of Lambda functions alone: the service namespace is {NAMESPACE}, not {namespace}."
        ))),
    }
}

pub(super) fn check_dimension(dimension: &str) -> Result<(), AutoscalingError> {
    if dimension == DIMENSION { Ok(()) } else { Err(unsupported()) }
}

fn unsupported() -> AutoscalingError {
    AutoscalingError::invalid("Unsupported service namespace, resource type or scalable dimension")
}

impl ScaledName {
    /// Reads `function:NAME:QUALIFIER`.
    pub(super) fn parse(resource_id: &str) -> Result<Self, AutoscalingError> {
        let mut parts = resource_id.split(':');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("function"), Some(function), Some(qualifier), None)
                if !function.is_empty() && !qualifier.is_empty() && qualifier != LATEST =>
            {
                Ok(Self { function: function.to_owned(), qualifier: qualifier.to_owned() })
            }
            _ => Err(unsupported()),
        }
    }

    pub(super) fn resource_id(&self) -> String {
        format!("function:{}:{}", self.function, self.qualifier)
    }

    pub(super) fn within(&self, scope: &Scope) -> Scaled {
        Scaled { scope: scope.clone(), function: self.function.clone(), qualifier: self.qualifier.clone() }
    }
}

impl Scaled {
    pub(super) fn name(&self) -> ScaledName {
        ScaledName { function: self.function.clone(), qualifier: self.qualifier.clone() }
    }

    pub(super) fn resource_id(&self) -> String {
        self.name().resource_id()
    }

    pub(super) fn target_key(&self) -> String {
        format!("{}{}/{}", scope_prefix(TARGET_PREFIX, &self.scope), self.function, self.qualifier)
    }

    pub(super) fn activities_key(&self) -> String {
        format!("{}{}/{}", scope_prefix(ACTIVITY_PREFIX, &self.scope), self.function, self.qualifier)
    }

    pub(super) fn provisioned_key(&self) -> String {
        Provisioned::key(&self.scope, &self.function, &self.qualifier)
    }

    /// For example `scalingPolicy:ID` with `policyName/NAME` at the end.
    pub(super) fn arn_of(&self, kind: &str, id: uuid::Uuid, end: &str) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:autoscaling:{region}:{account}:{kind}:{id}:resource/{NAMESPACE}/{}:{end}", self.resource_id())
    }
}

pub(super) fn scope_prefix(prefix: &str, scope: &Scope) -> String {
    format!("{prefix}{}/{}/", scope.account, scope.region)
}
