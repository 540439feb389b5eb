//! Which API a request is for: by its host, by its path where names do not lead here, or by a custom domain name.

use std::net::IpAddr;
use std::sync::Arc;

use http::Uri;
use http::uri::PathAndQuery;
use tindra_store::StoreError;

use super::HttpApis;
use super::records::DomainName;
use super::serving::{ServedStage, Serving};
use super::shown;
use crate::front_door::DoorRequest;

/// What the path of a request to an API begins with where its host does not tell.
const PATH: &str = "/_aws/execute-api/";
/// The second label of the host of an API.
const LABEL: &str = "execute-api";
/// The stage for paths that begin with the name of no other.
const DEFAULT_STAGE: &str = "$default";

/// An API that a request is for.
#[derive(Clone, Debug)]
pub struct Found {
    pub(super) api: Option<Arc<Serving>>,
    pub(super) entry: Entry,
}

/// How a request came to an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// By the host of the API; the path begins with a stage.
    Host,
    /// By a path, of which so many bytes are not the API's.
    Path(usize),
    /// By a custom domain name; so many bytes of the path have led to the stage.
    Mapped { stage: String, key_bytes: usize },
}

impl HttpApis {
    /// The API that a request is for, by its host (a port does not count) and its path; none for what is for something
    /// else, or for an API that is not here.
    ///
    /// # Errors
    /// When the store fails that has to be asked, because an API has just changed.
    pub async fn find(&self, host: &str, path: &str) -> Result<Option<Found>, StoreError> {
        let host = without_port(host).to_ascii_lowercase();
        if let Some((id, region)) = id_of_host(&host) {
            let api = self.table.api(id).await?.filter(|api| region.is_none_or(|region| region == api.scope.region));
            return Ok(api.map(|api| Found { api: Some(api), entry: Entry::Host }));
        }
        if let Some(id) = id_of_path(path) {
            let api = self.table.api(&id.to_ascii_lowercase()).await?;
            return Ok(api.map(|api| Found { api: Some(api), entry: Entry::Path(PATH.len() + id.len()) }));
        }
        if !self.table.may_have_domains() || !is_name(&host) {
            return Ok(None);
        }
        match self.table.domain(&host).await {
            Some(domain) => self.mapped(&domain, path).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether hosts beside those of APIs may lead to one.
    #[must_use]
    pub fn has_domain_names(&self) -> bool {
        self.table.may_have_domains()
    }

    /// A stage of an API, to which all paths lead; none when there is no such API.
    ///
    /// # Errors
    /// As [`HttpApis::find`].
    pub async fn at(&self, id: &str, stage: &str) -> Result<Option<Found>, StoreError> {
        let api = self.table.api(id).await?;
        let entry = Entry::Mapped { stage: stage.to_owned(), key_bytes: 0 };
        Ok(api.map(|api| Found { api: Some(api), entry }))
    }

    /// The stage that a custom domain name leads a path to: by the mapping with the longest key.
    async fn mapped(&self, domain: &DomainName, path: &str) -> Result<Found, StoreError> {
        let leading = domain.mappings.values().filter_map(|mapping| Some((mapping, key_bytes(&mapping.key, path)?)));
        let Some((mapping, key_bytes)) = leading.max_by_key(|(_, key_bytes)| *key_bytes) else {
            return Ok(Found { api: None, entry: Entry::Host });
        };
        let entry = Entry::Mapped { stage: mapping.stage.clone(), key_bytes };
        Ok(Found { api: self.table.api(&mapping.api).await?, entry })
    }
}

impl Found {
    /// Gives the request the host and the path that the function is to see.
    pub(super) fn enter(&self, api: &Serving, request: &mut DoorRequest) {
        if let Entry::Path(prefix_bytes) = self.entry {
            request.host = shown::host(&api.id, &api.scope.region);
            request.parts.uri = without_prefix(&request.parts.uri, prefix_bytes);
        }
    }

    /// Whether the API does not want to be reached in this way.
    pub(super) fn is_disabled(&self, api: &Serving) -> bool {
        api.is_endpoint_disabled && !matches!(self.entry, Entry::Mapped { .. })
    }

    /// The stage, and the path within it; none when there is no such stage.
    pub(super) fn stage<'a>(&self, api: &'a Serving, path: &'a str) -> Option<(&'a ServedStage, &'a str)> {
        if let Entry::Mapped { stage, key_bytes } = &self.entry {
            return Some((api.stages.get(stage)?, or_root(path.get(*key_bytes..).unwrap_or_default())));
        }
        let rest = path.strip_prefix('/').unwrap_or(path);
        let (first, _) = rest.split_once('/').unwrap_or((rest, ""));
        match api.stages.get(first) {
            Some(stage) => Some((stage, or_root(path.get(first.len() + 1..).unwrap_or_default()))),
            None => Some((api.stages.get(DEFAULT_STAGE)?, or_root(path))),
        }
    }
}

fn or_root(path: &str) -> &str {
    if path.is_empty() { "/" } else { path }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// `ID.execute-api.REGION.…`
fn id_of_host(host: &str) -> Option<(&str, Option<&str>)> {
    let mut labels = host.split('.');
    let (id, kind) = (labels.next()?, labels.next()?);
    (kind == LABEL).then(|| (id, labels.next()))
}

fn id_of_path(path: &str) -> Option<&str> {
    path.strip_prefix(PATH).map(|rest| rest.split('/').next().unwrap_or_default())
}

/// Whether a host can be a custom domain name at all.
fn is_name(host: &str) -> bool {
    host.contains('.') && host.parse::<IpAddr>().is_err()
}

/// How much of a path is the key of a mapping, the slash before it included; none when the path is not under it.
fn key_bytes(key: &str, path: &str) -> Option<usize> {
    if key.is_empty() {
        return Some(0);
    }
    let rest = path.strip_prefix('/')?.strip_prefix(key)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(key.len() + 1)
}

/// The path that is left for the API; its stage `$default` may be named.
fn without_prefix(uri: &Uri, prefix_bytes: usize) -> Uri {
    let whole = uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
    let rest = whole.get(prefix_bytes..).unwrap_or_default();
    let named = ["/$default", "/%24default"].iter().find_map(|stage| rest.strip_prefix(stage));
    let rest = named.filter(|after| after.is_empty() || after.starts_with(['/', '?'])).unwrap_or(rest);
    let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    // A part of a path that begins with a slash is one.
    rest.parse().unwrap_or_else(|_| Uri::from_static("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apis_are_known_by_host_or_path() {
        assert_eq!(id_of_host("abc.execute-api.us-east-1.localhost"), Some(("abc", Some("us-east-1"))));
        assert_eq!(id_of_host("abc.execute-api"), Some(("abc", None)));
        assert_eq!((id_of_host("execute-api.localhost"), id_of_path("/2015-03-31/functions")), (None, None));
        assert_eq!(id_of_path("/_aws/execute-api/a/b"), Some("a"));
        assert!(is_name("api.example.com") && !is_name("localhost") && !is_name("127.0.0.1"));
    }

    #[test]
    fn the_longest_key_that_is_whole_segments_leads() {
        assert_eq!(key_bytes("", "/a"), Some(0));
        assert_eq!(key_bytes("orders/v1", "/orders/v1/items"), Some(10));
        assert_eq!(key_bytes("orders", "/orders"), Some(7));
        assert_eq!(key_bytes("orders", "/orders2"), None);
    }

    #[test]
    fn the_api_sees_its_own_path() {
        let rest = |uri: &str| without_prefix(&uri.parse().unwrap(), "/_aws/execute-api/abc".len()).to_string();
        assert_eq!(rest("/_aws/execute-api/abc/dev/a%2Fb?c=d"), "/dev/a%2Fb?c=d");
        assert_eq!(rest("/_aws/execute-api/abc/$default/x"), "/x");
        assert_eq!(rest("/_aws/execute-api/abc/%24default?c=d"), "/?c=d");
        assert_eq!(rest("/_aws/execute-api/abc/$defaults"), "/$defaults");
        assert_eq!(rest("/_aws/execute-api/abc"), "/");
    }
}
