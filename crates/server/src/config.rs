//! What the operator decides: one struct with every setting, its unit and its default.
//!
//! [`Settings`] is what one source says (flags, environment variables or a file; all optional), [`Config`] is
//! what holds after flags > environment > file > defaults and after every check. Nothing downstream of
//! [`Config::load`] looks at a flag, a variable or a file again.

mod brokers;
mod check;
mod domain;
mod error;
mod listener_rule;
mod outside;
mod sns_ingress;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tindra_doors::load_balancer::Forward;
use tindra_services::sns::Ingress;

pub use brokers::{Broker, BrokerPlace, BrokerSettings, SecretPlace, SecretSettings};
pub(crate) use check::{is_account, is_region};
pub use domain::{Domain, DomainSettings, DomainTarget};
pub use error::ConfigError;
pub use listener_rule::ListenerRuleSettings;
pub use outside::OutsideAccess;
pub use sns_ingress::SnsIngressSettings;

/// Default of `listen`: the address that existing local-AWS scripts already use.
pub const LISTEN_DEFAULT: &str = "127.0.0.1:4566";
/// Default of `account`.
pub const ACCOUNT_DEFAULT: &str = "000000000000";
/// Default of `region`, for requests that name none.
pub const REGION_DEFAULT: &str = "us-east-1";
/// Default of `idle_timeout_s`: AWS keeps an idle environment for minutes, too; it names no figure.
pub const IDLE_TIMEOUT_S_DEFAULT: u64 = 600;
/// Default of `keep_warm_min_s`: a client that works through a list finds its environment again.
pub const KEEP_WARM_MIN_S_DEFAULT: u64 = 5;
/// Default of `keep_warm_max_s`: what is called every few hours is kept while there is memory.
pub const KEEP_WARM_MAX_S_DEFAULT: u64 = 14_400;
/// Default of `environment_max_age_s`: AWS ends environments every few hours, too; it names no figure.
pub const ENVIRONMENT_MAX_AGE_S_DEFAULT: u64 = 21_600;
/// Default of `environments_max`: more than a machine of 64 GB holds in functions of 128 MB.
pub const ENVIRONMENTS_MAX_DEFAULT: usize = 500;
/// Default of `spares_max`: a burst of a hundred cold starts finds them ready; in Python some 250 MB.
pub const SPARES_MAX_DEFAULT: usize = 100;
/// Default of `grace_period_s`, the time that running invokes get after the first SIGTERM.
pub const GRACE_PERIOD_S_DEFAULT: u64 = 30;
/// Default of `connections_max`: ten thousand idle clients and room for those that talk.
pub const CONNECTIONS_MAX_DEFAULT: usize = 12_000;

/// The services that can be switched off, by the names with which requests to them are signed. What is left is Lambda, and
/// IAM and STS, without which nobody's tools start.
pub const SERVICES_SWITCHABLE: [&str; 9] =
    ["s3", "sqs", "sns", "events", "scheduler", "kinesis", "logs", "apigateway", "application-autoscaling"];

/// Who may be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Anyone who can reach the address; any access key, or none. Only on loopback.
    Off,
    /// Whoever signs with a key that this server knows.
    SigV4,
}

/// By which clock all waits that may take long: retries, ages of events, schedules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// The machine's.
    #[default]
    System,
    /// One that stands still until `POST /_tindra/clock/advance` moves it. For tests; only with auth off.
    Manual,
}

/// Where records and queues live.
#[derive(Clone, Default, PartialEq, Eq)]
pub enum StoreKind {
    /// In the data directory.
    #[default]
    Sqlite,
    /// In a database of PostgreSQL at this URL.
    Postgres(String),
}

/// The URL may have a password in it.
impl std::fmt::Debug for StoreKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Sqlite => "Sqlite",
            Self::Postgres(_) => "Postgres",
        })
    }
}

/// What the server was started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `tindra serve`: for good.
    Serve,
    /// `tindra dev`: while somebody works; `POST /_tindra/reset` is allowed, and the log is quiet.
    Dev,
}

/// What functions may reach when no network is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// The public internet, and no private network.
    Public,
    /// Nothing.
    Deny,
}

/// An access key beside the operator's own, from `[[access_keys]]` of the file.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// For example `AKIA…`.
    pub access_key_id: String,
    /// Its secret.
    pub secret_access_key: String,
    /// The account that it acts for; default: `account`.
    pub account: Option<String>,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("AccessKey").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// What one source says. Every field is optional; a name in the file is the name here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// `HOST:PORT` to listen on; port 0 takes a free one. Default `127.0.0.1:4566`.
    pub listen: Option<String>,
    /// Directory for everything that must survive. Default `/var/lib/tindra` for root, else
    /// `$XDG_DATA_HOME/tindra` (`~/.local/share/tindra`).
    pub data: Option<PathBuf>,
    /// Directory of the runtime packs. Default `runtimes` inside `data`.
    pub runtimes: Option<PathBuf>,
    /// Where records and queues live: `sqlite` (in `data`, the default) or `postgres://USER@HOST/DATABASE`. Code and logs lie
    /// in `data` either way.
    pub store: Option<String>,
    /// `off` (only on a loopback address) or `sigv4`. Default `off`.
    pub auth: Option<Auth>,
    /// `system` or `manual` (for tests, only with `auth = "off"`): the clock of retries and schedules. Default `system`.
    pub clock: Option<ClockKind>,
    /// Account of requests that select none, twelve digits. Default `000000000000`.
    pub account: Option<String>,
    /// Region of requests that name none. Default `us-east-1`.
    pub region: Option<String>,
    /// PEM file with the certificate chain; needs `tls_key`. Default: plain HTTP.
    pub tls_cert: Option<PathBuf>,
    /// PEM file with the private key; needs `tls_cert`.
    pub tls_key: Option<PathBuf>,
    /// Custom domains, each with its target and, if wanted, its own certificate. Default none.
    pub domains: Option<Vec<DomainSettings>>,
    /// Rules of a load balancer's listener, each with the function that it forwards to. Default none.
    pub listener_rules: Option<Vec<ListenerRuleSettings>>,
    /// Topics that take the messages of topics elsewhere, at `POST /_tindra/sns/ACCOUNT/REGION/NAME`. Default none.
    pub sns_ingress: Option<Vec<SnsIngressSettings>>,
    /// Brokers whose messages run functions, each with the ARN by which mappings name it. Default none.
    pub brokers: Option<Vec<BrokerSettings>>,
    /// Secrets that mappings name to log in to brokers, each in a file or in an environment variable. Default none.
    pub secrets: Option<Vec<SecretSettings>>,
    /// Serve a non-loopback address even when a layer of the sandbox is missing. Default false.
    pub allow_missing_layers: Option<bool>,
    /// Access keys beside the operator's own. Default none.
    pub access_keys: Option<Vec<AccessKey>>,
    /// `public` (the internet, no private networks) or `deny`: what functions may reach beside `egress_allow`.
    /// Default `public`.
    pub egress: Option<Egress>,
    /// Networks (CIDR) that functions may reach although they are denied by default. Default none.
    pub egress_allow: Option<Vec<String>>,
    /// Networks (CIDR) that functions may not reach, beside the defaults. Default none.
    pub egress_deny: Option<Vec<String>>,
    /// `IP` or `IP:PORT` of the resolvers that functions' DNS questions go to. Default: the host's.
    pub dns_upstreams: Option<Vec<String>>,
    /// Fixed answers to functions' DNS questions: name to address. Default none.
    pub hosts: Option<BTreeMap<String, IpAddr>>,
    /// Subnets that functions can name in `VpcConfig`. Default none.
    pub subnets: Option<Vec<Subnet>>,
    /// Security groups that functions can name in `VpcConfig`. Default none.
    pub security_groups: Option<Vec<SecurityGroup>>,
    /// Services that are not served here, out of `s3`, `sqs`, `sns`, `events`, `scheduler`, `kinesis`, `logs`, `apigateway` and
    /// `application-autoscaling`. Default none.
    pub disabled_services: Option<Vec<String>>,
    /// URL of the S3 that code is read from and records of invokes go to, `http://` or `https://`. Default:
    /// `AWS_ENDPOINT_URL_S3`, or none.
    pub s3_endpoint: Option<String>,
    /// URL of the SQS that dead letters and records of invokes go to. Default: `AWS_ENDPOINT_URL_SQS`, or none.
    pub sqs_endpoint: Option<String>,
    /// URL of the SNS that dead letters and records of invokes go to. Default: `AWS_ENDPOINT_URL_SNS`, or none.
    pub sns_endpoint: Option<String>,
    /// URL of the EventBridge that records of invokes go to. Default: `AWS_ENDPOINT_URL_EVENTBRIDGE`, or none.
    pub eventbridge_endpoint: Option<String>,
    /// URL of the Kinesis whose streams event source mappings read. Default: `AWS_ENDPOINT_URL_KINESIS`, or none.
    pub kinesis_endpoint: Option<String>,
    /// URL of the DynamoDB Streams that event source mappings read. Default: `AWS_ENDPOINT_URL_DYNAMODB_STREAMS`, or none.
    pub dynamodb_streams_endpoint: Option<String>,
    /// Seconds for which an idle environment is kept of whose function too little is known. Default 600. Set without
    /// `keep_warm_max_s`, it is the most for all.
    pub idle_timeout_s: Option<u64>,
    /// Seconds for which an idle environment is kept at least. Default 5, or the two others when they are less.
    pub keep_warm_min_s: Option<u64>,
    /// Seconds for which an idle environment is kept at most. Default 14400.
    pub keep_warm_max_s: Option<u64>,
    /// Memory meant for idle environments, in MiB. Default: a quarter of the machine's.
    pub idle_memory_mb: Option<u64>,
    /// Seconds after its start from which on an idle environment is not used again. Default 21600.
    pub environment_max_age_s: Option<u64>,
    /// Environments on this machine at once. Default 500.
    pub environments_max: Option<usize>,
    /// Runtimes kept waiting, bound to no function, so that cold starts are short; 0 for none. Default 100.
    pub spares_max: Option<usize>,
    /// Concurrent executions of one account in one region. Default 1000, as on AWS.
    pub account_concurrency: Option<u32>,
    /// Invokes that may arrive in a second for each that may run at once, of an account and of a function by its reserve;
    /// 0 for no limit. Default 10, as on AWS.
    pub requests_per_s_per_concurrency: Option<u32>,
    /// Environments that one function may have started at once, and again in the course of each ten seconds. Default 1000,
    /// as on AWS.
    pub scaling_environments: Option<u32>,
    /// Client connections at once; more are answered 503. Default 12000.
    pub connections_max: Option<usize>,
    /// Seconds that running invokes get to end after the first SIGTERM or SIGINT. Default 30.
    pub grace_period_s: Option<u64>,
}

/// A subnet that functions can be in, from `[[subnets]]` of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Subnet {
    /// For example `subnet-db`.
    pub id: String,
    /// The VPC that it belongs to, for example `vpc-main`.
    pub vpc: String,
    /// The networks (CIDR) that it leads to.
    pub networks: Vec<String>,
}

/// A security group that functions can be in, from `[[security_groups]]` of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityGroup {
    /// For example `sg-postgres`.
    pub id: String,
    /// The VPC that it belongs to.
    pub vpc: String,
    /// What it lets out; without rules, nothing.
    #[serde(default)]
    pub egress: Vec<EgressRule>,
}

/// A rule of a security group.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EgressRule {
    /// To which addresses (CIDR).
    pub network: String,
    /// To which ports: `5432`, or `5000-5010`; all when left out.
    pub ports: Option<String>,
}

impl EgressRule {
    /// The first and the last port; none when the text is not of that form.
    #[must_use]
    pub fn port_range(&self) -> Option<(u16, u16)> {
        let Some(ports) = &self.ports else { return Some((0, u16::MAX)) };
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (first <= last).then_some((first, last))
    }
}

/// Certificate and key files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// PEM, leaf first.
    pub certificate: PathBuf,
    /// PEM: PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
}

/// Every setting, checked. The fields say what [`Settings`]'s say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// What the server was started for.
    pub mode: Mode,
    /// Where to listen.
    pub listen: SocketAddr,
    /// Everything that must survive.
    pub data: PathBuf,
    /// Runtime packs.
    pub runtimes: PathBuf,
    /// Where records and queues live.
    pub store: StoreKind,
    /// Who may be answered.
    pub auth: Auth,
    /// By which clock all waits that may take long.
    pub clock: ClockKind,
    /// Twelve digits.
    pub account: String,
    /// For requests that name none.
    pub region: String,
    /// Certificate and key, when TLS is wanted.
    pub tls: Option<TlsFiles>,
    /// Custom domains; no name comes twice.
    pub domains: Vec<Domain>,
    /// Rules of a load balancer's listener, in the order of their priorities.
    pub listener_rules: Vec<Forward>,
    /// Topics that take the messages of topics elsewhere.
    pub sns_ingress: Vec<Ingress>,
    /// Brokers whose messages run functions; no ARN comes twice.
    pub brokers: Vec<Broker>,
    /// Secrets by their ARNs.
    pub secrets: BTreeMap<String, SecretPlace>,
    /// Serve a non-loopback address with layers missing.
    pub allow_missing_layers: bool,
    /// Keys beside the operator's own.
    pub access_keys: Vec<AccessKey>,
    /// What functions may reach when no network is named.
    pub egress: Egress,
    /// Networks allowed in spite of the defaults, CIDR.
    pub egress_allow: Vec<String>,
    /// Networks denied beside the defaults, CIDR.
    pub egress_deny: Vec<String>,
    /// Resolvers; empty for the host's.
    pub dns_upstreams: Vec<SocketAddr>,
    /// Fixed DNS answers.
    pub hosts: BTreeMap<String, IpAddr>,
    /// Subnets that functions can be in.
    pub subnets: Vec<Subnet>,
    /// Security groups that functions can be in.
    pub security_groups: Vec<SecurityGroup>,
    /// Where code comes from that lies in S3, where dead letters and records of invokes go, and where streams are.
    pub outside: OutsideAccess,
    /// Services that are not served here, by the names with which requests to them are signed.
    pub disabled_services: BTreeSet<&'static str>,
    /// For which an idle environment is kept of whose function too little is known.
    pub idle_timeout: Duration,
    /// For which an idle environment is kept at least.
    pub keep_warm_min: Duration,
    /// For which an idle environment is kept at most.
    pub keep_warm_max: Duration,
    /// Memory meant for idle environments, in bytes.
    pub idle_memory_bytes: Option<u64>,
    /// Older than this, an idle environment is not used again.
    pub environment_age_max: Duration,
    /// Environments at once.
    pub environments_max: usize,
    /// Runtimes kept waiting at most.
    pub spares_max: usize,
    /// Concurrent executions of one account in one region.
    pub account_concurrency: u32,
    /// Invokes a second for each concurrent one; 0 for no limit.
    pub requests_per_s_per_concurrency: u32,
    /// Starts of one function in ten seconds.
    pub scaling_environments: u32,
    /// Client connections at once.
    pub connections_max: usize,
    /// For running invokes after the first signal.
    pub grace_period: Duration,
}

impl Config {
    /// Joins flags, the process's environment variables, the file and the defaults, and checks the whole.
    ///
    /// `file` is the value of `--config` (or `TINDRA_CONFIG` when none is given).
    ///
    /// # Errors
    /// Names the first setting that cannot be used, where it came from and what to do.
    pub fn load(mode: Mode, flags: Settings, file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_with(mode, flags, file, &|name| std::env::var(name).ok())
    }

    /// [`Config::load`] with the environment variables of the caller's choice, for tests.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load_with(
        mode: Mode,
        flags: Settings,
        file: Option<&Path>,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        let environment = source::from_environment(variable)?;
        let path = file.map(Path::to_owned).or_else(|| variable("TINDRA_CONFIG").map(PathBuf::from));
        let file = path.as_deref().map(source::from_file).transpose()?;
        let layers = source::Layers::new(flags, environment, file.zip(path));
        check::check(mode, &layers, variable)
    }

    /// The state of the sandbox launcher, inside `data`.
    #[must_use]
    pub fn sandbox_directory(&self) -> PathBuf {
        self.data.join("sandbox")
    }

    /// Unpacked code, inside `data`; can be made anew from the store.
    #[must_use]
    pub fn code_cache_directory(&self) -> PathBuf {
        self.data.join("code")
    }

    /// Database, blobs and logs, inside `data`.
    #[must_use]
    pub fn store_directory(&self) -> PathBuf {
        self.data.join("store")
    }

    /// The bytes of objects of S3, inside `data`.
    #[must_use]
    pub fn objects_directory(&self) -> PathBuf {
        self.data.join("s3")
    }

    /// The operator's own access key, in the form of an AWS credentials file.
    #[must_use]
    pub fn credentials_file(&self) -> PathBuf {
        self.data.join("credentials")
    }
}
