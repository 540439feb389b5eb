//! Where settings come from, and which source wins.

use std::path::{Path, PathBuf};

use super::{Auth, ClockKind, ConfigError, Settings};

/// The sources in the order in which they win, each with the words for "where".
#[derive(Debug)]
pub(super) struct Layers {
    flags: Settings,
    environment: Settings,
    file: Option<(Settings, PathBuf)>,
}

impl Layers {
    pub(super) fn new(flags: Settings, environment: Settings, file: Option<(Settings, PathBuf)>) -> Self {
        Self { flags, environment, file }
    }

    /// The winning value of a setting with the words for where it came from.
    pub(super) fn pick<T: Clone>(&self, setting: &str, field: impl Fn(&Settings) -> &Option<T>) -> (Option<T>, String) {
        if let Some(value) = field(&self.flags) {
            return (Some(value.clone()), format!("--{}", setting.replace('_', "-")));
        }
        if let Some(value) = field(&self.environment) {
            return (Some(value.clone()), format!("TINDRA_{}", setting.to_uppercase()));
        }
        match self.file.as_ref().and_then(|(settings, path)| Some((field(settings).clone()?, path))) {
            Some((value, path)) => (Some(value), format!("in {}", path.display())),
            None => (None, "default".to_owned()),
        }
    }
}

/// Reads the file.
pub(super) fn from_file(path: &Path) -> Result<Settings, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    toml::from_str(&text).map_err(|source| ConfigError::Malformed { path: path.to_owned(), source: Box::new(source) })
}

/// Reads the variables `TINDRA_*`; an empty one counts as not set.
pub(super) fn from_environment(variable: &dyn Fn(&str) -> Option<String>) -> Result<Settings, ConfigError> {
    let text = |name: &str| variable(name).filter(|value| !value.is_empty());
    let path = |name: &str| text(name).map(PathBuf::from);
    Ok(Settings {
        listen: text("TINDRA_LISTEN"),
        data: path("TINDRA_DATA"),
        runtimes: path("TINDRA_RUNTIMES"),
        store: text("TINDRA_STORE"),
        auth: text("TINDRA_AUTH").map(|value| parse_auth(&value)).transpose()?,
        clock: text("TINDRA_CLOCK").map(|value| parse_clock(&value)).transpose()?,
        account: text("TINDRA_ACCOUNT"),
        region: text("TINDRA_REGION"),
        tls_cert: path("TINDRA_TLS_CERT"),
        tls_key: path("TINDRA_TLS_KEY"),
        idle_timeout_s: number("idle_timeout_s", text("TINDRA_IDLE_TIMEOUT_S"))?,
        keep_warm_min_s: number("keep_warm_min_s", text("TINDRA_KEEP_WARM_MIN_S"))?,
        keep_warm_max_s: number("keep_warm_max_s", text("TINDRA_KEEP_WARM_MAX_S"))?,
        idle_memory_mb: number("idle_memory_mb", text("TINDRA_IDLE_MEMORY_MB"))?,
        environment_max_age_s: number("environment_max_age_s", text("TINDRA_ENVIRONMENT_MAX_AGE_S"))?,
        environments_max: number("environments_max", text("TINDRA_ENVIRONMENTS_MAX"))?,
        spares_max: number("spares_max", text("TINDRA_SPARES_MAX"))?,
        account_concurrency: number("account_concurrency", text("TINDRA_ACCOUNT_CONCURRENCY"))?,
        requests_per_s_per_concurrency: number(
            "requests_per_s_per_concurrency",
            text("TINDRA_REQUESTS_PER_S_PER_CONCURRENCY"),
        )?,
        scaling_environments: number("scaling_environments", text("TINDRA_SCALING_ENVIRONMENTS"))?,
        connections_max: number("connections_max", text("TINDRA_CONNECTIONS_MAX"))?,
        grace_period_s: number("grace_period_s", text("TINDRA_GRACE_PERIOD_S"))?,
        ..Settings::default()
    })
}

fn parse_auth(value: &str) -> Result<Auth, ConfigError> {
    match value {
        "off" => Ok(Auth::Off),
        "sigv4" => Ok(Auth::SigV4),
        _ => Err(ConfigError::Invalid {
            setting: "auth",
            origin: "TINDRA_AUTH".to_owned(),
            problem: format!("is \"{value}\""),
            remedy: "use off or sigv4".to_owned(),
        }),
    }
}

fn parse_clock(value: &str) -> Result<ClockKind, ConfigError> {
    match value {
        "system" => Ok(ClockKind::System),
        "manual" => Ok(ClockKind::Manual),
        _ => Err(ConfigError::Invalid {
            setting: "clock",
            origin: "TINDRA_CLOCK".to_owned(),
            problem: format!("is \"{value}\""),
            remedy: "use system or manual".to_owned(),
        }),
    }
}

fn number<T: std::str::FromStr>(setting: &'static str, text: Option<String>) -> Result<Option<T>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(value) => Ok(Some(value)),
        Err(_) => Err(ConfigError::Invalid {
            setting,
            origin: format!("TINDRA_{}", setting.to_uppercase()),
            problem: format!("is \"{text}\", which is not a whole number"),
            remedy: "write digits only".to_owned(),
        }),
    }
}
