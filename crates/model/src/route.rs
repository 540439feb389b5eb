//! Which operation a request is for: by method and path, by the target header, or by a parameter of its form.

use http::{HeaderMap, Method};

use crate::data::Protocol;
use crate::query;
use crate::service::{Operation, Service};

/// A path with labels, taken apart.
#[derive(Debug)]
pub(crate) struct Template {
    segments: Vec<Segment>,
    /// Query parameters that tell operations of one path apart (`List=ALL`).
    query: Vec<(String, String)>,
}

#[derive(Debug)]
enum Segment {
    Literal(String),
    Label(String),
}

impl Template {
    pub(crate) fn parse(path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let segments = split(path)
            .map(|segment| match segment.strip_prefix('{').and_then(|label| label.strip_suffix('}')) {
                Some(label) => Segment::Label(label.trim_end_matches('+').to_owned()),
                None => Segment::Literal(segment.to_owned()),
            })
            .collect();
        let query = query.split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned()));
        Self { segments, query: query.collect() }
    }

    /// Whether a path has this form. A label is one segment: clients escape the slashes inside it.
    fn path_fits(&self, path: &str) -> bool {
        let mut given = split(path);
        let fits = self.segments.iter().all(|segment| match (segment, given.next()) {
            (Segment::Literal(literal), Some(text)) => literal == text,
            (Segment::Label(_), Some(_)) => true,
            (_, None) => false,
        });
        fits && given.next().is_none()
    }

    /// The labels of a path that fits, still percent-encoded.
    pub(crate) fn labels<'a>(&'a self, path: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.segments.iter().zip(split(path)).filter_map(|(segment, text)| match segment {
            Segment::Label(label) => Some((label.as_str(), text)),
            Segment::Literal(_) => None,
        })
    }

    /// Whether the path itself says what a query parameter must be.
    pub(crate) fn names_in_query(&self, name: &str) -> bool {
        self.query.iter().any(|(known, _)| known == name)
    }

    fn query_fits(&self, query: &str) -> bool {
        self.query.iter().all(|(name, value)| query.split('&').any(|pair| pair.split_once('=') == Some((name, value))))
    }
}

/// The segments of a path; a slash at the end is how older clients write collections.
fn split(path: &str) -> impl Iterator<Item = &str> {
    path.trim_matches('/').split('/')
}

impl Service {
    /// The operation that a request is for, as its head tells. The query protocol names it in the body, which
    /// [`Service::route_form`] looks at.
    #[must_use]
    pub fn route(&self, method: &Method, path: &str, query: &str, headers: &HeaderMap) -> Option<&Operation> {
        match self.data.protocol {
            Protocol::RestJson => {}
            Protocol::Json => {
                let target = headers.get("x-amz-target")?.to_str().ok()?;
                let name = target.strip_prefix(self.data.target_prefix.as_deref()?)?.strip_prefix('.')?;
                return self.operations.iter().find(|operation| operation.data.name == name);
            }
            Protocol::Query => return self.route_form(query, b""),
        }
        let fits = |operation: &&Operation| {
            operation.data.method == method.as_str()
                && operation.template.path_fits(path)
                && operation.template.query_fits(query)
        };
        // The one with the most to say about the query is the more particular one.
        self.operations.iter().filter(fits).max_by_key(|operation| operation.template.query.len())
    }

    /// The operation that a form asks for by `Action`, if its `Version` is this service's or missing.
    #[must_use]
    pub fn route_form(&self, query: &str, body: &[u8]) -> Option<&Operation> {
        if self.data.protocol != Protocol::Query {
            return None;
        }
        let (action, version) = query::action(query, body)?;
        let is_ours = version.is_none_or(|version| version == self.data.api_version);
        self.operations.iter().find(|operation| is_ours && operation.data.name == action)
    }
}

#[cfg(test)]
mod tests {
    use crate::lambda;

    #[test]
    fn every_operation_routes_to_itself_with_and_without_a_slash() {
        let service = lambda();
        assert_eq!(service.operations().count(), 91);
        for operation in service.operations() {
            let path = operation.data.path.replace(['{', '}'], "x");
            let (path, query) = path.split_once('?').unwrap_or((&path, ""));
            let method = operation.data.method.parse().unwrap();
            for path in [path.to_owned(), format!("{path}/")] {
                let found = service.route(&method, &path, query, &http::HeaderMap::new());
                assert_eq!(found.map(crate::Operation::name), Some(operation.name()), "{method} {path}?{query}");
            }
        }
    }

    #[test]
    fn a_query_tells_operations_of_one_path_apart() {
        let provisioned = "/2019-09-30/functions/f/provisioned-concurrency";
        for (path, query, name) in [
            (provisioned, "", "GetProvisionedConcurrencyConfig"),
            (provisioned, "Qualifier=1", "GetProvisionedConcurrencyConfig"),
            (provisioned, "MaxItems=1&List=ALL", "ListProvisionedConcurrencyConfigs"),
            ("/2018-10-31/layers", "MaxItems=1", "ListLayers"),
            ("/2018-10-31/layers/", "Arn=a&find=LayerVersion", "GetLayerVersionByArn"),
        ] {
            let found = lambda().route(&http::Method::GET, path, query, &http::HeaderMap::new());
            assert_eq!(found.map(crate::Operation::name), Some(name), "{path}?{query}");
        }
    }

    #[test]
    fn what_is_no_operation_is_not_found() {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/nothing"),
            ("GET", "/2015-03-31/functions/f/nothing"),
            ("PATCH", "/2015-03-31/functions/f"),
            ("GET", "/2015-03-31/functions/f/configuration/more"),
        ] {
            let method = method.parse().unwrap();
            assert!(lambda().route(&method, path, "", &http::HeaderMap::new()).is_none(), "{method} {path}");
        }
    }
}
