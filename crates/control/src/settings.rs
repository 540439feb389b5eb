//! The configuration members that CreateFunction and UpdateFunctionConfiguration share: checked, and merged
//! into what was before. A member that is absent changes nothing.

use std::collections::BTreeMap;

use tindra_core::function::{Architecture, Configuration, LogFormat, Logging};
use tindra_core::limits;
use tindra_core::runtime::{Family, Runtime};
use tindra_model::lambda::functions::{
    CapacityProviderConfig, CreateFunctionRequest, DeadLetterConfig, Environment, EphemeralStorage, LoggingConfig,
    SnapStart, TracingConfig, UpdateFunctionConfigurationRequest,
};

use crate::destinations::dead_letter_target;
use crate::error::ControlError;
use crate::{managed_instances, snap_start, variables};

/// Level of application and system logs in JSON where none was asked for (AWS).
const LEVEL_DEFAULT: &str = "INFO";

/// The members as they came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    runtime: Option<String>,
    handler: Option<String>,
    role: Option<String>,
    description: Option<String>,
    timeout: Option<i32>,
    memory_size: Option<i32>,
    ephemeral_storage: Option<EphemeralStorage>,
    environment: Option<Environment>,
    logging_config: Option<LoggingConfig>,
    tracing_config: Option<TracingConfig>,
    dead_letter_config: Option<DeadLetterConfig>,
    snap_start: Option<SnapStart>,
    capacity_provider_config: Option<CapacityProviderConfig>,
}

impl From<CreateFunctionRequest> for Settings {
    fn from(request: CreateFunctionRequest) -> Self {
        Self {
            runtime: request.runtime,
            handler: request.handler,
            role: Some(request.role),
            description: request.description,
            timeout: request.timeout,
            memory_size: request.memory_size,
            ephemeral_storage: request.ephemeral_storage,
            environment: request.environment,
            logging_config: request.logging_config,
            tracing_config: request.tracing_config,
            dead_letter_config: request.dead_letter_config,
            snap_start: request.snap_start,
            capacity_provider_config: request.capacity_provider_config,
        }
    }
}

impl From<UpdateFunctionConfigurationRequest> for Settings {
    fn from(request: UpdateFunctionConfigurationRequest) -> Self {
        Self {
            runtime: request.runtime,
            handler: request.handler,
            role: request.role,
            description: request.description,
            timeout: request.timeout,
            memory_size: request.memory_size,
            ephemeral_storage: request.ephemeral_storage,
            environment: request.environment,
            logging_config: request.logging_config,
            tracing_config: request.tracing_config,
            dead_letter_config: request.dead_letter_config,
            snap_start: request.snap_start,
            capacity_provider_config: request.capacity_provider_config,
        }
    }
}

impl Settings {
    /// The configuration of a new function.
    pub(crate) fn create(self, name: &str, architecture: Architecture) -> Result<Configuration, ControlError> {
        let mut configuration = Configuration {
            runtime: String::new(),
            handler: String::new(),
            role: String::new(),
            description: String::new(),
            timeout_s: limits::TIMEOUT_S_DEFAULT,
            memory_mb: limits::MEMORY_MB_DEFAULT,
            ephemeral_storage_mb: limits::EPHEMERAL_STORAGE_MB_DEFAULT,
            environment: BTreeMap::new(),
            architecture,
            logging: Logging {
                format: LogFormat::Text,
                application_level: None,
                system_level: None,
                group: format!("/aws/lambda/{name}"),
            },
            layers: Vec::new(),
            network: None,
            traces_actively: false,
            dead_letter_target_arn: None,
            snapshots_versions: false,
            managed_instances: None,
        };
        if self.capacity_provider_config.is_some() {
            // The only format there (AWS), so nobody needs to ask for it.
            configuration.logging.format = LogFormat::Json;
            merge_logging(LoggingConfig::default(), &mut configuration.logging)?;
        }
        self.merge(&mut configuration)?;
        Ok(configuration)
    }

    /// Merges the members that came into a configuration.
    pub(crate) fn merge(self, configuration: &mut Configuration) -> Result<(), ControlError> {
        let storage = self.ephemeral_storage.map(|storage| storage.size);
        // An `Environment` without variables is an empty one.
        let environment = self.environment.map(|environment| environment.variables.unwrap_or_default().0);
        if let Some(runtime) = &self.runtime {
            check_runtime(runtime)?;
        }
        if let Some(environment) = &environment {
            variables::check(environment)?;
        }
        set(&mut configuration.runtime, self.runtime);
        set(&mut configuration.handler, self.handler);
        set(&mut configuration.role, self.role);
        set(&mut configuration.description, self.description);
        set(&mut configuration.timeout_s, up_to("timeout", self.timeout, limits::TIMEOUT_S_MAX)?);
        set(&mut configuration.memory_mb, up_to("memorySize", self.memory_size, limits::MEMORY_MB_MAX)?);
        let storage = up_to("ephemeralStorage.size", storage, limits::EPHEMERAL_STORAGE_MB_MAX)?;
        set(&mut configuration.ephemeral_storage_mb, storage);
        set(&mut configuration.environment, environment);
        if let Some(logging) = self.logging_config {
            merge_logging(logging, &mut configuration.logging)?;
        }
        let tracing = self.tracing_config.and_then(|config| config.mode);
        set(&mut configuration.traces_actively, tracing.map(|mode| mode == "Active"));
        if let Some(config) = self.dead_letter_config {
            configuration.dead_letter_target_arn = dead_letter_target(config.target_arn.as_deref())?;
        }
        let apply_on = self.snap_start.and_then(|config| config.apply_on);
        set(&mut configuration.snapshots_versions, apply_on.map(|apply_on| apply_on == "PublishedVersions"));
        if let Some(config) = self.capacity_provider_config {
            configuration.managed_instances = Some(managed_instances::read(config)?);
        }
        check_mandatory(configuration)?;
        snap_start::check(configuration)?;
        managed_instances::check(configuration)
    }
}

fn merge_logging(config: LoggingConfig, logging: &mut Logging) -> Result<(), ControlError> {
    let format = config.log_format.map(|format| if format == "JSON" { LogFormat::Json } else { LogFormat::Text });
    set(&mut logging.format, format);
    set(&mut logging.group, config.log_group);
    match logging.format {
        LogFormat::Text if config.application_log_level.is_some() || config.system_log_level.is_some() => {
            return Err(ControlError::invalid(
                "ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.",
            ));
        }
        LogFormat::Text => {
            logging.application_level = None;
            logging.system_level = None;
        }
        LogFormat::Json => {
            set_level(&mut logging.application_level, config.application_log_level);
            set_level(&mut logging.system_level, config.system_log_level);
        }
    }
    Ok(())
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn set_level(target: &mut Option<String>, level: Option<String>) {
    if level.is_some() {
        *target = level;
    }
    target.get_or_insert_with(|| LEVEL_DEFAULT.to_owned());
}

/// The model knows the largest figure for any kind of function and holds the smallest; this is the largest for
/// ordinary ones.
fn up_to(member: &'static str, value: Option<i32>, max: u32) -> Result<Option<u32>, ControlError> {
    let value = value.map(|value| u32::try_from(value).unwrap_or(0));
    match value {
        Some(value) if value > max => Err(ControlError::AboveMaximum { member, value, max }),
        value => Ok(value),
    }
}

fn check_runtime(runtime: &str) -> Result<(), ControlError> {
    if tindra_model::is_retired_runtime(runtime) {
        return Err(ControlError::Invalid(format!(
            "The runtime parameter of {runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions."
        )));
    }
    Ok(())
}

/// A managed runtime needs a handler; a function's own bootstrap need not look at one.
fn check_mandatory(configuration: &Configuration) -> Result<(), ControlError> {
    let own_bootstrap = Runtime::parse(&configuration.runtime).family() == Family::Provided;
    if configuration.runtime.is_empty() || (configuration.handler.is_empty() && !own_bootstrap) {
        return Err(ControlError::invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages.",
        ));
    }
    Ok(())
}

/// The one architecture that this server's functions can have.
pub(crate) fn check_architectures(architectures: Option<&[String]>) -> Result<Architecture, ControlError> {
    let host = Architecture::host();
    match architectures.and_then(<[String]>::first) {
        Some(other) if other != host.as_str() => Err(ControlError::Invalid(format!(
            "This server is {host} and cannot run {other} code. Build the package for {host} and give {host} in Architectures, or deploy it on a server that is {other}.",
            host = host.as_str(),
        ))),
        _ => Ok(host),
    }
}

#[cfg(test)]
mod tests;
