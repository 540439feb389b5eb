//! Event source mappings: from which queue or stream a function gets batches of records.
//!
//! A mapping is wanted as `is_enabled` says, and `state` tells how far that has come. A create, update or delete
//! leaves it in a state of transition; [`EventSourceMapping::settled`] is where that transition ends.

mod filter;
mod item_failures;
mod queue_scaling;
mod settings;
mod source;
mod sqs_record;
pub mod stream;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::UnixMs;
use crate::function::Scope;
use crate::name;

pub use filter::{Filters, data_key, filtered};
pub use item_failures::ItemFailures;
pub use queue_scaling::QueueScaling;
pub use settings::{
    ConsumptionMode, DocumentDbCollection, Kafka, MappingSettings, ProvisionedPollers, SchemaRegistry, SourceAccess,
};
pub use source::{EventSource, SourceKind, StartingPosition, kinesis_stream_name};
pub use sqs_record::sqs_record;

/// What the keys of event source mappings begin with.
pub const MAPPING_PREFIX: &str = "event-source-mapping/";

/// What the keys of the results of mappings begin with.
pub const MAPPING_RESULT_PREFIX: &str = "event-source-result/";

/// What the last batch of a mapping came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessingResult {
    /// `LastProcessingResult`.
    pub text: String,
}

/// `State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MappingState {
    /// A new one.
    Creating,
    /// It is being switched on.
    Enabling,
    /// Records are taken.
    Enabled,
    /// It is being switched off.
    Disabling,
    /// Switched off.
    Disabled,
    /// Other settings are being changed.
    Updating,
    /// It is about to be gone.
    Deleting,
}

impl MappingState {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating => "Creating",
            Self::Enabling => "Enabling",
            Self::Enabled => "Enabled",
            Self::Disabling => "Disabling",
            Self::Disabled => "Disabled",
            Self::Updating => "Updating",
            Self::Deleting => "Deleting",
        }
    }

    /// False in a transition, in which nothing may be changed.
    #[must_use]
    pub fn is_settled(self) -> bool {
        matches!(self, Self::Enabled | Self::Disabled)
    }
}

/// An event source mapping as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventSourceMapping {
    /// `UUID`.
    pub uuid: Uuid,
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name of the function.
    pub function_name: String,
    /// The version or alias that is invoked; none for the unpublished version.
    pub qualifier: Option<String>,
    /// Where the records come from; it never changes.
    pub source: EventSource,
    /// How they are taken.
    pub settings: MappingSettings,
    /// Whether records are to be taken.
    pub is_enabled: bool,
    /// How far that has come.
    pub state: MappingState,
    /// `LastModified`.
    pub last_modified_ms: UnixMs,
    /// `Tags`.
    pub tags: BTreeMap<String, String>,
}

impl EventSourceMapping {
    /// The key of a mapping's record.
    #[must_use]
    pub fn key(scope: &Scope, uuid: Uuid) -> String {
        format!("{}{uuid}", Self::key_prefix(scope))
    }

    /// The prefix of the keys of one scope's mappings.
    #[must_use]
    pub fn key_prefix(scope: &Scope) -> String {
        format!("{MAPPING_PREFIX}{}/{}/", scope.account, scope.region)
    }

    /// The key of the record that keeps a second mapping from joining the same source with the same function.
    #[must_use]
    pub fn pair_key(&self) -> String {
        let Scope { account, region } = &self.scope;
        let qualifier = self.qualifier.as_deref().unwrap_or_default();
        let digest = self.source.digest();
        format!("event-source-pair/{account}/{region}/{}:{qualifier}/{digest}", self.function_name)
    }

    /// The key of the record of what its last batch came to ([`ProcessingResult`]).
    #[must_use]
    pub fn result_key(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("{MAPPING_RESULT_PREFIX}{account}/{region}/{}", self.uuid)
    }

    /// In which region the source is to be asked: the one in its ARN, or the function's where that is none (DynamoDB Local calls
    /// itself `ddblocal`, and keeps tables apart by the region that a request is signed for).
    #[must_use]
    pub fn source_region(&self) -> &str {
        let region = self.source.arn.as_deref().and_then(|arn| arn.split(':').nth(3));
        region.filter(|region| region.contains('-')).unwrap_or(&self.scope.region)
    }

    /// `EventSourceMappingArn`.
    #[must_use]
    pub fn arn(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:lambda:{region}:{account}:event-source-mapping:{}", self.uuid)
    }

    /// `FunctionArn`, with the version or alias that the request named.
    #[must_use]
    pub fn function_arn(&self) -> String {
        name::arn(&self.scope, &self.function_name, self.qualifier.as_deref())
    }

    /// The state that a transition ends in: none when it ends in there being no mapping.
    #[must_use]
    pub fn settled(&self) -> Option<MappingState> {
        match self.state {
            MappingState::Deleting => None,
            _ if self.is_enabled => Some(MappingState::Enabled),
            _ => Some(MappingState::Disabled),
        }
    }
}

#[cfg(test)]
mod tests;
