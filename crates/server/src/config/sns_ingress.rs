//! Topics that take the messages of topics elsewhere.

use serde::Deserialize;

/// A topic that takes the messages of one elsewhere, as `[[sns_ingress]]` of the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnsIngressSettings {
    /// The ARN of the topic here.
    pub topic: String,
    /// The ARN of the topic elsewhere whose messages are taken.
    pub from: String,
    /// Whether the signatures of messages are looked at. Default true.
    pub verify: Option<bool>,
    /// `HOST` or `HOST:PORT` of the certificates that messages are signed with, and of the links by which subscriptions are
    /// confirmed. Default: those of AWS.
    pub cert_host: Option<String>,
}
