//! Identity sources: which parts of a request an authorizer goes by.

use std::str::FromStr;

use crate::door::{HttpRequest, query};

/// One part of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IdentitySource {
    /// `$request.header.NAME` (HTTP APIs), `method.request.header.NAME` (REST), `route.request.header.NAME`
    /// (WebSocket).
    Header(String),
    /// `$request.querystring.NAME`, `method.request.querystring.NAME`, `route.request.querystring.NAME`.
    Query(String),
    /// `$context.NAME`, `context.NAME`.
    Context(String),
    /// `$stageVariables.NAME`, `stageVariables.NAME`.
    StageVariable(String),
}

/// What identity sources may read beside the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdentityFacts<'a> {
    /// By name as in the event's `requestContext`, for example `httpMethod` or `identity.sourceIp`.
    pub context: &'a [(String, String)],
    /// The stage's variables.
    pub stage_variables: &'a [(String, String)],
}

/// A text that is no identity source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{text}\" is no identity source: it must be like $request.header.NAME, $request.querystring.NAME, \
     $context.NAME or $stageVariables.NAME"
)]
pub struct IdentitySourceError {
    /// What was given.
    pub text: String,
}

impl FromStr for IdentitySource {
    type Err = IdentitySourceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix('$').unwrap_or(text);
        let path = path.strip_prefix("method.").or_else(|| path.strip_prefix("route.")).unwrap_or(path);
        let named = |prefix: &str| path.strip_prefix(prefix).filter(|name| is_name(name)).map(str::to_owned);
        let source = named("request.header.").map(Self::Header);
        source
            .or_else(|| named("request.querystring.").map(Self::Query))
            .or_else(|| named("context.").map(Self::Context))
            .or_else(|| named("stageVariables.").map(Self::StageVariable))
            .ok_or_else(|| IdentitySourceError { text: text.to_owned() })
    }
}

impl IdentitySource {
    /// Its value in a request; none when the request does not have it or has it empty (401, without asking the
    /// authorizer).
    #[must_use]
    pub fn read(&self, request: &HttpRequest<'_>, facts: &IdentityFacts<'_>) -> Option<String> {
        let listed = |pairs: &[(String, String)], name: &str| {
            pairs.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone())
        };
        let value = match self {
            Self::Header(name) => {
                let values: Vec<&str> = request.header_values(name).collect();
                if values.is_empty() { None } else { Some(values.join(",")) }
            }
            Self::Query(name) => listed(&query::decoded(request.query), name),
            Self::Context(name) => listed(facts.context, name),
            Self::StageVariable(name) => listed(facts.stage_variables, name),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The values of all sources; none when one is missing.
    #[must_use]
    pub fn read_all(sources: &[Self], request: &HttpRequest<'_>, facts: &IdentityFacts<'_>) -> Option<Vec<String>> {
        sources.iter().map(|source| source.read(request, facts)).collect()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',' && byte != b'$')
}
