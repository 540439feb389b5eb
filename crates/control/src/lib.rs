//! Lambda's control plane: one file per operation, each from a request to a change of the store.
//!
//! [`Control::call`] takes a request that satisfies the service model and answers it. Nothing here runs or
//! prepares anything: a create or an update writes what is wanted (`Function::desired`), machines watch the
//! store, prepare it and settle it. Only event source mappings are settled here, because there is nothing to
//! prepare for them. Every change is one compare-and-set batch.

mod aliases;
mod attachments;
mod caller;
mod capacity;
mod change;
mod code_signing;
mod code_source;
mod concurrency;
mod destinations;
mod durable;
mod error;
mod event_invoke_config;
mod event_source_mappings;
mod function_urls;
mod functions;
mod layers;
mod link;
mod managed_instances;
mod membership;
mod package;
mod paging;
#[cfg(test)]
mod parity;
mod policies;
mod recursion;
mod reset;
mod runtime_management;
mod settings;
mod shape;
mod snap_start;
mod sweep;
mod tags;
mod tenancy;
mod unsupported;
mod usage;
mod variables;
mod versions;

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tindra_core::clock::Clock;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::function::{Function, Scope};
use tindra_core::limits;
use tindra_model::lambda::functions::FunctionConfiguration;
use tindra_model::{ApiError, Call, Reply};
use tindra_store::{BoxFuture, Store};

pub use caller::{Caller, Principal};
pub use code_source::{CodeFuture, CodeSource, CodeSourceError, ObjectName};
pub use error::ControlError;

use event_source_mappings::Settler;
use link::Links;
use package::Packages;
use policies::{KnownPolicies, POLICY_PREFIX};
use shape::View;
use sweep::Sweeper;
use usage::Usage;

/// Which version of a runtime this server runs, for `RuntimeVersionConfig`.
pub trait RuntimeVersions: Send + Sync + Debug {
    /// The ARN of the version of a runtime (`python3.12`), with the region filled in; none while there is none.
    fn version_arn(&self, runtime: &str, region: &str) -> Option<String>;
}

/// The private networks that functions can be members of.
pub trait Networks: Send + Sync + Debug {
    /// The VPC of a subnet; none when there is no such subnet.
    fn vpc_of_subnet(&self, id: &str) -> Option<String>;

    /// The VPC of a security group; none when there is no such group.
    fn vpc_of_security_group(&self, id: &str) -> Option<String>;
}

/// What is found where a mapping says that its queue or stream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceFound {
    /// It is there.
    There {
        /// How long a queue hides the messages that it has given, in seconds.
        visibility_timeout_s: Option<u32>,
    },
    /// There is no such queue or stream.
    Missing,
    /// The function's role may not read it.
    Forbidden {
        /// What it would have to be allowed, for example `sqs:ReceiveMessage`.
        action: String,
    },
    /// Whoever has it cannot be asked now, or does not answer in time.
    Unknown,
}

/// The queues and streams that mappings read.
pub trait KnownSources: Send + Sync + Debug {
    /// Looks for the queue or stream of a mapping, on behalf of its function. Ends within seconds, whatever is at the other end.
    fn find<'a>(&'a self, mapping: &'a EventSourceMapping) -> BoxFuture<'a, SourceFound>;
}

/// What can be set.
#[derive(Clone, Debug)]
pub struct ControlOptions {
    /// Shown as the account's limit; the invoke path holds it.
    pub concurrent_executions_max: u32,
    /// Bytes of zipped code in each account and region, every version counted.
    pub code_bytes_max: u64,
    /// Where code comes from that lies in S3; without it such code is refused.
    pub code_source: Option<Arc<dyn CodeSource>>,
    /// Without them there are no subnets.
    pub networks: Option<Arc<dyn Networks>>,
    /// Without it `RuntimeVersionConfig` is left out.
    pub runtime_versions: Option<Arc<dyn RuntimeVersions>>,
    /// Without them mappings may name queues and streams that are not there.
    pub sources: Option<Arc<dyn KnownSources>>,
}

impl Default for ControlOptions {
    fn default() -> Self {
        Self {
            concurrent_executions_max: limits::CONCURRENT_EXECUTIONS_DEFAULT,
            code_bytes_max: limits::TOTAL_CODE_SIZE_BYTES,
            code_source: None,
            networks: None,
            runtime_versions: None,
            sources: None,
        }
    }
}

/// The control plane of every account and region of one store.
#[derive(Debug)]
pub struct Control {
    store: Store,
    clock: Arc<dyn Clock>,
    options: ControlOptions,
    packages: Arc<Packages>,
    links: Links,
    usage: Usage,
    policies: KnownPolicies,
    _sweeper: Sweeper,
    _settler: Settler,
}

impl Control {
    /// Starts to sweep unused code and to settle event source mappings, so it must be called inside a tokio runtime.
    #[must_use]
    pub fn new(store: Store, clock: Arc<dyn Clock>, options: ControlOptions) -> Self {
        let packages = Arc::new(Packages::new());
        let sweeper = Sweeper::start(store.clone(), Arc::clone(&packages));
        let usage = Usage::start(store.clone());
        let settler = Settler::start(store.clone());
        let links = Links::default();
        let policies = KnownPolicies::new(store.metadata.watch(POLICY_PREFIX));
        Self { store, clock, options, packages, links, usage, policies, _sweeper: sweeper, _settler: settler }
    }

    /// Answers one operation.
    ///
    /// # Errors
    /// As the API has them; see [`ControlError`].
    pub async fn call(&self, caller: &Caller, call: Call) -> Result<Reply, ApiError> {
        Ok(self.answer(caller, call.operation.name(), call.input).await?)
    }

    async fn answer(&self, caller: &Caller, operation: &str, input: Value) -> Result<Reply, ControlError> {
        match operation {
            "CreateFunction" => self.create_function(caller, input).await,
            "GetFunction" => self.get_function(caller, input).await,
            "GetFunctionConfiguration" => self.get_function_configuration(caller, input).await,
            "ListFunctions" => self.list_functions(caller, input).await,
            "UpdateFunctionCode" => self.update_function_code(caller, input).await,
            "UpdateFunctionConfiguration" => self.update_function_configuration(caller, input).await,
            "DeleteFunction" => self.delete_function(caller, input).await,
            "GetAccountSettings" => self.get_account_settings(caller).await,

            "PublishVersion" => self.publish_version(caller, input).await,
            "ListVersionsByFunction" => self.list_versions(caller, input).await,

            "CreateAlias" => self.create_alias(caller, input).await,
            "GetAlias" => self.get_alias(caller, input).await,
            "ListAliases" => self.list_aliases(caller, input).await,
            "UpdateAlias" => self.update_alias(caller, input).await,
            "DeleteAlias" => self.delete_alias(caller, input).await,

            "PublishLayerVersion" => self.publish_layer_version(caller, input).await,
            "GetLayerVersion" => self.get_layer_version(caller, input).await,
            "GetLayerVersionByArn" => self.get_layer_version_by_arn(caller, input).await,
            "ListLayers" => self.list_layers(caller, input).await,
            "ListLayerVersions" => self.list_layer_versions(caller, input).await,
            "DeleteLayerVersion" => self.delete_layer_version(caller, input).await,
            "AddLayerVersionPermission" => self.add_layer_version_permission(caller, input).await,
            "GetLayerVersionPolicy" => self.get_layer_version_policy(caller, input).await,
            "RemoveLayerVersionPermission" => self.remove_layer_version_permission(caller, input).await,

            "PutFunctionConcurrency" => self.put_function_concurrency(caller, input).await,
            "GetFunctionConcurrency" => self.get_function_concurrency(caller, input).await,
            "DeleteFunctionConcurrency" => self.delete_function_concurrency(caller, input).await,
            "PutProvisionedConcurrencyConfig" => self.put_provisioned_concurrency(caller, input).await,
            "GetProvisionedConcurrencyConfig" => self.get_provisioned_concurrency(caller, input).await,
            "ListProvisionedConcurrencyConfigs" => self.list_provisioned_concurrency(caller, input).await,
            "DeleteProvisionedConcurrencyConfig" => self.delete_provisioned_concurrency(caller, input).await,

            "CreateFunctionUrlConfig" => self.create_function_url(caller, input).await,
            "GetFunctionUrlConfig" => self.get_function_url(caller, input).await,
            "ListFunctionUrlConfigs" => self.list_function_urls(caller, input).await,
            "UpdateFunctionUrlConfig" => self.update_function_url(caller, input).await,
            "DeleteFunctionUrlConfig" => self.delete_function_url(caller, input).await,

            "CreateCodeSigningConfig" => self.create_code_signing(caller, input).await,
            "GetCodeSigningConfig" => self.get_code_signing(caller, input).await,
            "ListCodeSigningConfigs" => self.list_code_signing(caller, input).await,
            "UpdateCodeSigningConfig" => self.update_code_signing(caller, input).await,
            "DeleteCodeSigningConfig" => self.delete_code_signing(caller, input).await,
            "ListFunctionsByCodeSigningConfig" => self.list_code_signing_users(caller, input).await,
            "PutFunctionCodeSigningConfig" => self.put_function_code_signing(caller, input).await,
            "GetFunctionCodeSigningConfig" => self.get_function_code_signing(caller, input).await,
            "DeleteFunctionCodeSigningConfig" => self.delete_function_code_signing(caller, input).await,

            "PutRuntimeManagementConfig" => self.put_runtime_management(caller, input).await,
            "GetRuntimeManagementConfig" => self.get_runtime_management(caller, input).await,

            "PutFunctionRecursionConfig" => self.put_recursion(caller, input).await,
            "GetFunctionRecursionConfig" => self.get_recursion(caller, input).await,

            "CreateCapacityProvider" => self.create_capacity_provider(caller, input).await,
            "GetCapacityProvider" => self.get_capacity_provider(caller, input).await,
            "ListCapacityProviders" => self.list_capacity_providers(caller, input).await,
            "UpdateCapacityProvider" => self.update_capacity_provider(caller, input).await,
            "DeleteCapacityProvider" => self.delete_capacity_provider(caller, input).await,
            "ListFunctionVersionsByCapacityProvider" => self.list_capacity_provider_versions(caller, input).await,
            "PutFunctionScalingConfig" => self.put_function_scaling(caller, input).await,
            "GetFunctionScalingConfig" => self.get_function_scaling(caller, input).await,

            "ListDurableExecutionsByFunction" => self.list_durable_executions(caller, input).await,
            "GetDurableExecution"
            | "GetDurableExecutionHistory"
            | "StopDurableExecution"
            | "PauseDurableExecution"
            | "ResumeDurableExecution"
            | "DeleteDurableExecution" => durable::no_execution(input),
            "GetDurableExecutionState" | "CheckpointDurableExecution" => durable::no_execution_to_continue(input),
            "SendDurableExecutionCallbackSuccess"
            | "SendDurableExecutionCallbackFailure"
            | "SendDurableExecutionCallbackHeartbeat" => durable::no_callback(input),
            "CreateEventSourceMapping" => self.create_event_source_mapping(caller, input).await,
            "GetEventSourceMapping" => self.get_event_source_mapping(caller, input).await,
            "ListEventSourceMappings" => self.list_event_source_mappings(caller, input).await,
            "UpdateEventSourceMapping" => self.update_event_source_mapping(caller, input).await,
            "DeleteEventSourceMapping" => self.delete_event_source_mapping(caller, input).await,

            "PutFunctionEventInvokeConfig" => self.put_function_event_invoke_config(caller, input).await,
            "UpdateFunctionEventInvokeConfig" => self.update_function_event_invoke_config(caller, input).await,
            "GetFunctionEventInvokeConfig" => self.get_function_event_invoke_config(caller, input).await,
            "ListFunctionEventInvokeConfigs" => self.list_function_event_invoke_configs(caller, input).await,
            "DeleteFunctionEventInvokeConfig" => self.delete_function_event_invoke_config(caller, input).await,

            "TagResource" => self.tag_resource(caller, input).await,
            "ListTags" => self.list_tags(caller, input).await,
            "UntagResource" => self.untag_resource(caller, input).await,

            "AddPermission" => self.add_permission(caller, input).await,
            "GetPolicy" => self.get_policy(caller, input).await,
            "RemovePermission" => self.remove_permission(caller, input).await,
            "GetResourcePolicy" => self.get_resource_policy(caller, input).await,
            "PutResourcePolicy" => self.put_resource_policy(caller, input).await,
            "DeleteResourcePolicy" => self.delete_resource_policy(caller, input).await,

            _ => Err(ControlError::NotServed { operation: operation.to_owned() }),
        }
    }

    /// The zip behind a link that GetFunction gave; none for a link that is forged or too old.
    pub async fn code(&self, token: &str) -> Option<Bytes> {
        let sha256 = self.links.check(&self.store, token, self.clock.unix_ms()).await?;
        match self.store.blobs.get(&sha256).await {
            Ok(zip) => zip,
            Err(error) => {
                tracing::error!(sha256, error = &error as &dyn std::error::Error, "a code package could not be read");
                None
            }
        }
    }

    /// Refuses code that would be too much for an account together with what it has.
    async fn check_code_storage(&self, scope: &Scope, more_bytes: u64) -> Result<(), ControlError> {
        let used = self.usage.of(scope).await?;
        if used.code_bytes.saturating_add(more_bytes) <= self.options.code_bytes_max {
            return Ok(());
        }
        Err(ControlError::Refused {
            code: "CodeStorageExceededException",
            message: format!(
                "Code storage limit exceeded: {} bytes are used of {}. Delete functions, or versions that nothing uses.",
                used.code_bytes, self.options.code_bytes_max
            ),
        })
    }

    /// A function as the API shows it.
    fn configuration(&self, function: &Function, view: View<'_>) -> FunctionConfiguration {
        let versions = self.options.runtime_versions.as_ref();
        let runtime = &function.desired.configuration.runtime;
        let arn = versions.and_then(|versions| versions.version_arn(runtime, &function.scope.region));
        shape::configuration(function, View { runtime_version_arn: arn.as_deref(), ..view })
    }
}

/// The members of a request as a typed shape.
fn read<T: DeserializeOwned>(input: Value) -> Result<T, ControlError> {
    serde_json::from_value(input).map_err(ControlError::Request)
}

/// The same off the async threads, for a request that carries code.
async fn read_large<T: DeserializeOwned + Send + 'static>(input: Value) -> Result<T, ControlError> {
    tokio::task::spawn_blocking(move || read(input)).await.map_err(ControlError::Lost)?
}

/// A reply from a typed shape.
fn reply(output: impl Serialize) -> Result<Reply, ControlError> {
    serde_json::to_value(output).map(Reply::new).map_err(ControlError::Answer)
}

/// The name that a blob has in the store.
fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
