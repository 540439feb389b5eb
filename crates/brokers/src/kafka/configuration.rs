//! What the client is told before it connects.

use std::fmt::{self, Debug, Formatter};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};

/// How long a member may be silent before the group goes on without it.
const SESSION_MS_MAX: u32 = 10_000;
/// How long a member may take to give partitions back: batches may run for five minutes then.
const SILENCE_MS_MAX: u32 = 360_000;
/// Records that are read ahead of the work, of all partitions together, in kilobytes.
const AHEAD_KB_MAX: u32 = 16_384;
/// The longest wait before a connection is made again.
const RECONNECT_MS_MAX: u32 = 5_000;
/// How often the cluster is asked whether a topic has got more partitions.
const LOOK_EVERY_MS: u32 = 30_000;

/// How one logs in.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaLogin {
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub mechanism: &'static str,
    /// The user.
    pub user: String,
    /// Its password.
    pub password: String,
}

/// Without the password.
impl Debug for KafkaLogin {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "KafkaLogin({} as {})", self.mechanism, self.user)
    }
}

/// A certificate of one's own, in PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaCertificate {
    /// The certificate, and those that it comes from.
    pub certificate: String,
    /// Its key.
    pub key: String,
    /// What the key is encrypted with.
    pub key_password: Option<String>,
}

/// Without the key.
impl Debug for KafkaCertificate {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str("KafkaCertificate")
    }
}

/// Which topics of which cluster, and as whom.
#[derive(Clone, Debug)]
pub struct KafkaOptions {
    /// `HOST:PORT` of those that are asked first.
    pub servers: Vec<String>,
    /// Whether they are spoken to over TLS.
    pub is_tls: bool,
    /// PEM with the authorities that their certificates may come from; none for the system's.
    pub authorities: Option<String>,
    /// To log in with.
    pub login: Option<KafkaLogin>,
    /// To show when TLS is spoken.
    pub certificate: Option<KafkaCertificate>,
    /// The consumer group.
    pub group: String,
    /// The topics.
    pub topics: Vec<String>,
}

pub(super) fn of(options: &KafkaOptions) -> ClientConfig {
    let mut configuration = ClientConfig::new();
    let protocol = match (options.is_tls, &options.login) {
        (false, None) => "PLAINTEXT",
        (true, None) => "SSL",
        (false, Some(_)) => "SASL_PLAINTEXT",
        (true, Some(_)) => "SASL_SSL",
    };
    configuration
        .set_log_level(RDKafkaLogLevel::Warning)
        .set("bootstrap.servers", options.servers.join(","))
        .set("security.protocol", protocol)
        .set("client.id", "tindra")
        .set("group.id", &options.group)
        // What is done is known elsewhere.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // Where the committed record has gone: with the oldest.
        .set("auto.offset.reset", "earliest")
        .set("enable.partition.eof", "true")
        .set("allow.auto.create.topics", "false")
        .set("session.timeout.ms", SESSION_MS_MAX.to_string())
        .set("max.poll.interval.ms", SILENCE_MS_MAX.to_string())
        .set("topic.metadata.refresh.interval.ms", LOOK_EVERY_MS.to_string())
        .set("reconnect.backoff.max.ms", RECONNECT_MS_MAX.to_string())
        .set("queued.max.messages.kbytes", AHEAD_KB_MAX.to_string());
    if let Some(login) = &options.login {
        configuration
            .set("sasl.mechanism", login.mechanism)
            .set("sasl.username", &login.user)
            .set("sasl.password", &login.password);
    }
    if let Some(authorities) = &options.authorities {
        configuration.set("ssl.ca.pem", authorities);
    }
    if let Some(own) = &options.certificate {
        configuration.set("ssl.certificate.pem", &own.certificate).set("ssl.key.pem", &own.key);
        if let Some(password) = &own.key_password {
            configuration.set("ssl.key.password", password);
        }
    }
    configuration
}
