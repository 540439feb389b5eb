//! The configuration members that CreateFunction and UpdateFunctionConfiguration share: checked, and merged
//! into what was before. A member that is absent changes nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use tindra_core::function::{Architecture, Configuration, LogFormat, Logging};
use tindra_core::limits;
use tindra_core::runtime::{Family, Runtime};

use crate::error::ControlError;
use crate::variables;

/// Runtimes that AWS no longer lets anybody deploy and that nothing here could run.
const RETIRED: [&str; 22] = [
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "python2.7",
    "python3.6",
    "python3.7",
    "java8",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "dotnet6",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
    "provided",
];

/// Level of application and system logs in JSON where none was asked for (AWS).
const LEVEL_DEFAULT: &str = "INFO";

/// The members as they came.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Settings {
    runtime: Option<String>,
    handler: Option<String>,
    role: Option<String>,
    description: Option<String>,
    timeout: Option<u32>,
    memory_size: Option<u32>,
    ephemeral_storage: Option<EphemeralStorage>,
    environment: Option<Environment>,
    logging_config: Option<LoggingConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct EphemeralStorage {
    size: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Environment {
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct LoggingConfig {
    log_format: Option<LogFormat>,
    application_log_level: Option<String>,
    system_log_level: Option<String>,
    log_group: Option<String>,
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
        };
        self.merge(&mut configuration)?;
        Ok(configuration)
    }

    /// Merges the members that came into a configuration.
    pub(crate) fn merge(self, configuration: &mut Configuration) -> Result<(), ControlError> {
        self.check_maxima()?;
        if let Some(runtime) = &self.runtime {
            check_runtime(runtime)?;
        }
        if let Some(environment) = &self.environment {
            variables::check(&environment.variables)?;
        }
        set(&mut configuration.runtime, self.runtime);
        set(&mut configuration.handler, self.handler);
        set(&mut configuration.role, self.role);
        set(&mut configuration.description, self.description);
        set(&mut configuration.timeout_s, self.timeout);
        set(&mut configuration.memory_mb, self.memory_size);
        set(&mut configuration.ephemeral_storage_mb, self.ephemeral_storage.map(|storage| storage.size));
        set(&mut configuration.environment, self.environment.map(|environment| environment.variables));
        if let Some(logging) = self.logging_config {
            logging.merge(&mut configuration.logging)?;
        }
        check_mandatory(configuration)
    }

    /// The model knows the largest figures of any kind of function; these are those of ordinary ones.
    fn check_maxima(&self) -> Result<(), ControlError> {
        let storage = self.ephemeral_storage.as_ref().map(|storage| storage.size);
        check_maximum("timeout", self.timeout, limits::TIMEOUT_S_MAX)?;
        check_maximum("memorySize", self.memory_size, limits::MEMORY_MB_MAX)?;
        check_maximum("ephemeralStorage.size", storage, limits::EPHEMERAL_STORAGE_MB_MAX)
    }
}

impl LoggingConfig {
    fn merge(self, logging: &mut Logging) -> Result<(), ControlError> {
        set(&mut logging.format, self.log_format);
        set(&mut logging.group, self.log_group);
        match logging.format {
            LogFormat::Text if self.application_log_level.is_some() || self.system_log_level.is_some() => {
                return Err(ControlError::invalid(
                    "ApplicationLogLevel and SystemLogLevel can only be set when LogFormat is JSON.",
                ));
            }
            LogFormat::Text => {
                logging.application_level = None;
                logging.system_level = None;
            }
            LogFormat::Json => {
                set_level(&mut logging.application_level, self.application_log_level);
                set_level(&mut logging.system_level, self.system_log_level);
            }
        }
        Ok(())
    }
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

fn check_maximum(member: &'static str, value: Option<u32>, max: u32) -> Result<(), ControlError> {
    match value {
        Some(value) if value > max => Err(ControlError::AboveMaximum { member, value, max }),
        _ => Ok(()),
    }
}

fn check_runtime(runtime: &str) -> Result<(), ControlError> {
    if RETIRED.contains(&runtime) {
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
pub(crate) fn check_architectures(architectures: Option<&[Architecture]>) -> Result<Architecture, ControlError> {
    let host = Architecture::host();
    match architectures {
        None | Some([]) => Ok(host),
        Some([one]) if *one == host => Ok(host),
        Some([other, ..]) => Err(ControlError::Invalid(format!(
            "This server is {host} and cannot run {other} code. Build the package for {host} and give {host} in Architectures, or deploy it on a server that is {other}.",
            host = host.as_str(),
            other = other.as_str(),
        ))),
    }
}

#[cfg(test)]
mod tests;
