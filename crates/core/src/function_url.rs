//! Function URLs: HTTP addresses of a function or of one of its aliases.

use serde::{Deserialize, Serialize};

use crate::clock::UnixMs;
use crate::function::Scope;
use crate::name::{self, LATEST};

/// The kind of the records: what their keys begin with.
pub const URL_KIND: &str = "function-url";
/// What the keys of the records begin with that lead from a URL's id to the URL.
pub const URL_ID_PREFIX: &str = "function-url-id/";

/// `AuthType`: who may call a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlAuth {
    /// Everybody whom the function's resource policy lets in.
    #[serde(rename = "NONE")]
    None,
    /// Signed requests only.
    #[serde(rename = "AWS_IAM")]
    AwsIam,
}

impl UrlAuth {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::AwsIam => "AWS_IAM",
        }
    }

    /// Reads the API's value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::AwsIam].into_iter().find(|auth| auth.as_str() == text)
    }
}

/// `InvokeMode`: whether an answer is sent as a whole or as it is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum UrlInvokeMode {
    /// As a whole.
    #[default]
    #[serde(rename = "BUFFERED")]
    Buffered,
    /// As it is made.
    #[serde(rename = "RESPONSE_STREAM")]
    ResponseStream,
}

impl UrlInvokeMode {
    /// The value as the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Buffered => "BUFFERED",
            Self::ResponseStream => "RESPONSE_STREAM",
        }
    }

    /// Reads the API's value.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Buffered, Self::ResponseStream].into_iter().find(|mode| mode.as_str() == text)
    }
}

/// `Cors`: what pages of other sites may do with a URL. What is none was not configured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlCors {
    /// `AllowCredentials`.
    pub allow_credentials: Option<bool>,
    /// `AllowHeaders`.
    pub allow_headers: Option<Vec<String>>,
    /// `AllowMethods`.
    pub allow_methods: Option<Vec<String>>,
    /// `AllowOrigins`.
    pub allow_origins: Option<Vec<String>>,
    /// `ExposeHeaders`.
    pub expose_headers: Option<Vec<String>>,
    /// `MaxAge` in seconds.
    pub max_age_s: Option<u32>,
}

/// The URL of a function or of one of its aliases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionUrl {
    /// The first label of its host name: 32 lower-case letters and digits, the same for as long as it lives.
    pub id: String,
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name of the function.
    pub function_name: String,
    /// The alias; none for the unpublished version.
    pub alias: Option<String>,
    /// `AuthType`.
    pub auth: UrlAuth,
    /// `InvokeMode`.
    pub invoke_mode: UrlInvokeMode,
    /// `Cors`.
    pub cors: Option<UrlCors>,
    /// `CreationTime`.
    pub created_ms: UnixMs,
    /// `LastModifiedTime`.
    pub last_modified_ms: UnixMs,
}

/// Where a URL's id leads: enough to find its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionUrlTarget {
    /// Account and region.
    pub scope: Scope,
    /// Unqualified name of the function.
    pub function_name: String,
    /// The alias; none for the unpublished version.
    pub alias: Option<String>,
}

impl FunctionUrl {
    /// The prefix of the keys of one function's URLs.
    #[must_use]
    pub fn key_prefix(scope: &Scope, function: &str) -> String {
        format!("{URL_KIND}/{}/{}/{function}/", scope.account, scope.region)
    }

    /// The key of the URL of a function or of one of its aliases.
    #[must_use]
    pub fn key(scope: &Scope, function: &str, alias: Option<&str>) -> String {
        format!("{}{}", Self::key_prefix(scope, function), alias.unwrap_or(LATEST))
    }

    /// The key of the record that leads from an id to the URL: a [`FunctionUrlTarget`].
    #[must_use]
    pub fn id_key(id: &str) -> String {
        format!("{URL_ID_PREFIX}{id}")
    }

    /// The ARN of the function, with the alias.
    #[must_use]
    pub fn function_arn(&self) -> String {
        name::arn(&self.scope, &self.function_name, self.alias.as_deref())
    }

    /// Where its id leads.
    #[must_use]
    pub fn target(&self) -> FunctionUrlTarget {
        FunctionUrlTarget {
            scope: self.scope.clone(),
            function_name: self.function_name.clone(),
            alias: self.alias.clone(),
        }
    }
}
