//! What an ARN with tags names.

use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::function::{Function, Scope};
use tindra_core::name::FunctionReference;
use uuid::Uuid;

use crate::capacity::{self, Provider};
use crate::code_signing::{self, CodeSigning};
use crate::error::ControlError;
use crate::event_source_mappings;

/// A resource that can have tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    /// A function, with its unqualified name.
    Function(String),
    /// An event source mapping.
    EventSourceMapping(Uuid),
    /// A code signing configuration, with its id.
    CodeSigning(String),
    /// A capacity provider, with its name.
    CapacityProvider(String),
}

impl Resource {
    /// Reads an ARN that satisfies the service model's pattern.
    pub(super) fn read(arn: &str, scope: &Scope) -> Result<Self, ControlError> {
        let mut parts = arn.splitn(7, ':');
        let (region, account) = (parts.nth(3).unwrap_or_default(), parts.next().unwrap_or_default());
        let (kind, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if kind == "function" {
            let function = FunctionReference::parse(arn)?;
            if function.qualifier.is_some() {
                return Err(ControlError::invalid(
                    "Tags on function aliases and versions are not supported. Please specify a function ARN.",
                ));
            }
            return Ok(Self::Function(function.within(scope)?.name));
        }
        if account != scope.account {
            return Err(ControlError::Refused {
                code: "AccessDeniedException",
                message: format!("The caller is not authorized to perform this operation on resource: {arn}"),
            });
        }
        match kind {
            "event-source-mapping" if region == scope.region => {
                Uuid::parse_str(id).map(Self::EventSourceMapping).map_err(|_| event_source_mappings::missing())
            }
            "event-source-mapping" => Err(event_source_mappings::missing()),
            "code-signing-config" if region == scope.region => Ok(Self::CodeSigning(id.to_owned())),
            "capacity-provider" if region == scope.region => Ok(Self::CapacityProvider(id.to_owned())),
            _ => Err(ControlError::Missing(format!("The resource {arn} does not exist."))),
        }
    }

    /// The key of its record.
    pub(super) fn key(&self, scope: &Scope) -> String {
        match self {
            Self::Function(name) => Function::key(scope, name),
            Self::EventSourceMapping(uuid) => EventSourceMapping::key(scope, *uuid),
            Self::CodeSigning(id) => CodeSigning::key(scope, id),
            Self::CapacityProvider(name) => Provider::key(scope, name),
        }
    }

    /// The error for when it does not exist.
    pub(super) fn missing(&self, arn: &str) -> ControlError {
        match self {
            Self::Function(_) => ControlError::Missing(format!("Function not found: {arn}")),
            Self::EventSourceMapping(_) => event_source_mappings::missing(),
            Self::CodeSigning(_) => code_signing::not_found(arn),
            Self::CapacityProvider(_) => capacity::not_found(arn),
        }
    }
}
