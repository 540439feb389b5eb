//! What is deployed: a function, the deployment that invokes use, and the states between.
//!
//! A [`Function`] holds two deployments. `desired` is what the last create or update asked for; `serving` is
//! what invokes get. They differ only while a change is being prepared, which is how an invoke during an
//! update still runs the old code (AWS: "Lambda function states").

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::UnixMs;
use crate::managed_instances::ManagedInstances;
use crate::name::{self, LATEST};

/// What the keys of everything that an invoke needs to know begin with: functions, versions, aliases.
pub const WATCH_PREFIX: &str = "function/";
/// What the keys of unpublished versions begin with.
pub const LATEST_PREFIX: &str = "function/latest/";
/// What the keys of published versions begin with.
pub const VERSION_PREFIX: &str = "function/version/";
/// The prefixes under which every record is a [`Function`].
pub const RECORD_PREFIXES: [&str; 2] = [LATEST_PREFIX, VERSION_PREFIX];

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
    /// `Layers`, in the order in which they are laid over each other.
    #[serde(default)]
    pub layers: Vec<LayerReference>,
    /// `VpcConfig`; none outside of any network.
    #[serde(default)]
    pub network: Option<NetworkMembership>,
    /// `TracingConfig.Mode` is `Active`: invokes are sampled for traces although no caller has asked for it.
    #[serde(default)]
    pub traces_actively: bool,
    /// `DeadLetterConfig.TargetArn`.
    #[serde(default)]
    pub dead_letter_target_arn: Option<String>,
    /// `SnapStart.ApplyOn` is `PublishedVersions`: their environments begin as copies of one that was initialised
    /// when the version was published.
    #[serde(default)]
    pub snapshots_versions: bool,
    /// `CapacityProviderConfig`: environments run several invokes at once.
    #[serde(default)]
    pub managed_instances: Option<ManagedInstances>,
}

/// One version of a layer, as a function uses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerReference {
    /// `arn:aws:lambda:REGION:ACCOUNT:layer:NAME:VERSION`.
    pub arn: String,
    /// Its content. It stays usable by this function when the layer's version is deleted (AWS).
    pub code: Code,
}

/// `VpcConfig`: the networks of the operator's configuration that the function may reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkMembership {
    /// `SubnetIds`.
    pub subnet_ids: Vec<String>,
    /// `SecurityGroupIds`.
    pub security_group_ids: Vec<String>,
    /// `VpcId`, to which the subnets belong.
    pub vpc_id: String,
}

/// A code package in the blob store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Code {
    /// SHA-256 of the zip in lower-case hexadecimal: the name of the blob.
    pub sha256: String,
    /// Size of the zip in bytes (`CodeSize`).
    pub size_bytes: u64,
    /// Bytes of all its files, unpacked.
    #[serde(default)]
    pub unzipped_bytes: u64,
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

/// `Version`: which of a function's versions a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Version {
    /// `$LATEST`, the one that can be changed.
    Latest,
    /// A published one: immutable, numbered from 1, never numbered twice.
    Published(u64),
}

impl Version {
    /// Reads `$LATEST` or a number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            LATEST => Some(Self::Latest),
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Self::Published),
            _ => None,
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => out.write_str(LATEST),
            Self::Published(number) => write!(out, "{number}"),
        }
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("'{text}' is not a version"))
    }
}

/// `RecursiveLoop`: what becomes of an invoke that a function has caused itself too often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RecursiveLoop {
    /// It is stopped.
    #[default]
    Terminate,
    /// It goes on.
    Allow,
}

/// `UpdateRuntimeOn`: when a function moves to a newer version of its runtime.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuntimeUpdate {
    /// At once.
    #[default]
    Auto,
    /// When the function itself is updated.
    FunctionUpdate,
    /// Never: it keeps the version with this ARN.
    Manual {
        /// `RuntimeVersionArn`.
        runtime_version_arn: String,
    },
}

/// A version of a function as the store keeps it: the unpublished one or a published one.
///
/// What belongs to the function as a whole (reserved concurrency, tags and so on) is kept with `$LATEST`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Function {
    /// Identity. A function deleted and created again is another one, whatever its name.
    pub id: Uuid,
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name.
    pub name: String,
    /// Which version this is.
    pub version: Version,
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
    /// `Tags`; of the whole function.
    pub tags: BTreeMap<String, String>,
    /// `ReservedConcurrentExecutions`; of the whole function.
    #[serde(default)]
    pub reserved_concurrency: Option<u32>,
    /// `RecursiveLoop`; of the whole function.
    #[serde(default)]
    pub recursive_loop: RecursiveLoop,
    /// `CodeSigningConfigArn`; of the whole function.
    #[serde(default)]
    pub code_signing_config_arn: Option<String>,
    /// Of a published version: the generation of `$LATEST` that it is a copy of.
    #[serde(default)]
    pub published_from: Option<Uuid>,
    /// `UpdateRuntimeOn` of this version.
    #[serde(default)]
    pub runtime_update: RuntimeUpdate,
}

impl Deployment {
    /// The names of all blobs that it is made from.
    pub fn blobs(&self) -> impl Iterator<Item = &str> {
        let layers = self.configuration.layers.iter().map(|layer| layer.code.sha256.as_str());
        std::iter::once(self.code.sha256.as_str()).chain(layers)
    }
}

impl Function {
    /// The names of all blobs that it needs, now or once it has settled.
    pub fn blobs(&self) -> impl Iterator<Item = &str> {
        self.desired.blobs().chain(self.serving.iter().flat_map(Deployment::blobs))
    }

    /// `arn:aws:lambda:REGION:ACCOUNT:function:NAME`, with the number of a published version.
    #[must_use]
    pub fn arn(&self) -> String {
        let number = match self.version {
            Version::Latest => None,
            Version::Published(number) => Some(number.to_string()),
        };
        name::arn(&self.scope, &self.name, number.as_deref())
    }

    /// The key of this record in the store's metadata.
    #[must_use]
    pub fn record_key(&self) -> String {
        Self::version_key(&self.scope, &self.name, self.version)
    }

    /// The key of the record of a function's unpublished version.
    #[must_use]
    pub fn key(scope: &Scope, name: &str) -> String {
        format!("{LATEST_PREFIX}{}/{}/{name}", scope.account, scope.region)
    }

    /// The key of the record of any version. Published versions lie in the order of their numbers.
    #[must_use]
    pub fn version_key(scope: &Scope, name: &str, version: Version) -> String {
        match version {
            Version::Latest => Self::key(scope, name),
            Version::Published(number) => format!("{}{number:020}", Self::versions_prefix(scope, name)),
        }
    }

    /// The prefix of the keys of a function's published versions.
    #[must_use]
    pub fn versions_prefix(scope: &Scope, name: &str) -> String {
        format!("{}{name}/", Self::scope_versions_prefix(scope))
    }

    /// The prefix of the keys of all published versions of one scope.
    #[must_use]
    pub fn scope_versions_prefix(scope: &Scope) -> String {
        format!("{VERSION_PREFIX}{}/{}/", scope.account, scope.region)
    }

    /// The prefix of the keys of the unpublished versions of one scope.
    #[must_use]
    pub fn key_prefix(scope: &Scope) -> String {
        format!("{LATEST_PREFIX}{}/{}/", scope.account, scope.region)
    }

    /// Whether its environments begin as copies of a snapshot; those of `$LATEST` never do.
    #[must_use]
    pub fn has_snapshot(&self) -> bool {
        self.version != Version::Latest && self.desired.configuration.snapshots_versions
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
