//! What is deployed: a function, the deployment that invokes use, and the states between.
//!
//! A [`Function`] holds two deployments. `desired` is what the last create or update asked for; `serving` is
//! what invokes get. They differ only while a change is being prepared, which is how an invoke during an
//! update still runs the old code (AWS: "Lambda function states").

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::UnixMs;

/// The account and region that a resource belongs to; nothing is shared between two of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scope {
    /// Twelve digits.
    pub account: String,
    /// For example `us-east-1`.
    pub region: String,
}

/// Processor architecture of the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[serde(rename = "arm64")]
    Arm64,
}

impl Architecture {
    /// The architecture that this binary was built for, which is the only one it can run.
    #[must_use]
    pub fn host() -> Self {
        if cfg!(target_arch = "aarch64") { Self::Arm64 } else { Self::X86_64 }
    }

    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Arm64 => "arm64",
        }
    }
}

/// `LoggingConfig.LogFormat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFormat {
    /// Lines of text, as Lambda has always written them.
    Text,
    /// One JSON object a line.
    #[serde(rename = "JSON")]
    Json,
}

/// `LoggingConfig`, with the default group filled in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logging {
    /// Text or JSON.
    pub format: LogFormat,
    /// `ApplicationLogLevel`; only with JSON.
    pub application_level: Option<String>,
    /// `SystemLogLevel`; only with JSON.
    pub system_level: Option<String>,
    /// `/aws/lambda/NAME` unless configured.
    pub group: String,
}

/// All that decides how an environment is made, apart from the code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// `Runtime`, for example `python3.12`; see [`crate::runtime::Runtime`].
    pub runtime: String,
    /// `Handler`; may be empty for `provided.*`, which need not look at it.
    pub handler: String,
    /// `Role`: the ARN of the execution role.
    pub role: String,
    /// `Description`.
    pub description: String,
    /// `Timeout` in seconds.
    pub timeout_s: u32,
    /// `MemorySize` in MiB (AWS writes MB).
    pub memory_mb: u32,
    /// `EphemeralStorage.Size` in MiB.
    pub ephemeral_storage_mb: u32,
    /// `Environment.Variables`.
    pub environment: BTreeMap<String, String>,
    /// `Architectures`, of which a function has exactly one.
    pub architecture: Architecture,
    /// `LoggingConfig`.
    pub logging: Logging,
}

/// A code package in the blob store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// SHA-256 of the zip in lower-case hexadecimal: the name of the blob.
    pub sha256: String,
    /// Size of the zip in bytes (`CodeSize`).
    pub size_bytes: u64,
}

/// Code and configuration that belong together. Environments are keyed by `generation`, so a redeployment
/// can never be answered by an environment of the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deployment {
    /// Fresh at every change of code or configuration.
    pub generation: Uuid,
    /// The code package.
    pub code: Code,
    /// The configuration.
    pub configuration: Configuration,
}

/// `State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Being created; every invoke is refused with 409.
    Pending,
    /// Ready.
    Active,
    /// The creation failed; delete and recreate.
    Failed,
}

/// `LastUpdateStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UpdateStatus {
    /// The last change is in force.
    Successful,
    /// The last change did not work; the deployment before it serves.
    Failed,
    /// A change is being prepared.
    InProgress,
}

/// A reason with its code, as `StateReason` and `StateReasonCode` show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// One of the model's enum, for example `Creating` or `InvalidRuntime`.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

/// A function as the store keeps it (the unpublished version, `$LATEST`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Identity. A function deleted and created again is another one, whatever its name.
    pub id: Uuid,
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name.
    pub name: String,
    /// `RevisionId`: fresh at every change.
    pub revision_id: Uuid,
    /// `LastModified`.
    pub last_modified_ms: UnixMs,
    /// `State`.
    pub state: State,
    /// `StateReason` and its code; none once active.
    pub state_reason: Option<Reason>,
    /// `LastUpdateStatus`.
    pub update_status: UpdateStatus,
    /// `LastUpdateStatusReason` and its code.
    pub update_reason: Option<Reason>,
    /// What the last create or update asked for.
    pub desired: Deployment,
    /// What invokes run; none until the first deployment is ready.
    pub serving: Option<Deployment>,
    /// `Tags`.
    pub tags: BTreeMap<String, String>,
}

impl Function {
    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{}:function:{}", self.scope.region, self.scope.account, self.name)
    }

    /// The key of its record in the store's metadata.
    #[must_use]
    pub fn key(scope: &Scope, name: &str) -> String {
        format!("function/{}/{}/{name}", scope.account, scope.region)
    }

    /// The prefix of the keys of every function, or of those of one scope.
    #[must_use]
    pub fn key_prefix(scope: Option<&Scope>) -> String {
        scope.map_or_else(|| "function/".to_owned(), |scope| format!("function/{}/{}/", scope.account, scope.region))
    }

    /// True while `desired` waits to be prepared by a machine.
    #[must_use]
    pub fn is_unsettled(&self) -> bool {
        self.state == State::Pending || self.update_status == UpdateStatus::InProgress
    }

    /// Ends the preparation of `generation`: on success it serves, on failure what served before goes on.
    ///
    /// Returns false, and changes nothing, when a later change has replaced that generation.
    pub fn settle(&mut self, generation: Uuid, outcome: Result<(), Reason>, revision_id: Uuid) -> bool {
        if self.desired.generation != generation || !self.is_unsettled() {
            return false;
        }
        self.revision_id = revision_id;
        match outcome {
            Ok(()) => {
                self.state = State::Active;
                self.state_reason = None;
                self.update_status = UpdateStatus::Successful;
                self.update_reason = None;
                self.serving = Some(self.desired.clone());
            }
            Err(reason) => {
                if self.state == State::Pending {
                    self.state = State::Failed;
                    self.state_reason = Some(reason.clone());
                }
                self.update_status = UpdateStatus::Failed;
                self.update_reason = Some(reason);
            }
        }
        true
    }
}
