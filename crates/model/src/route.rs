//! Which operation a request is for: by method and path, or by the target header.

use http::{HeaderMap, Method};

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

    /// The labels' raw texts, when the path fits. An ARN may come with its slash unescaped; only one label of a
    /// template takes more than one segment, and none of ours does.
    pub(crate) fn labels<'a>(&self, path: &'a str) -> Option<Vec<(&str, &'a str)>> {
        let mut labels = Vec::new();
        let mut given = split(path);
        for segment in &self.segments {
            let text = given.next()?;
            match segment {
                Segment::Literal(literal) if literal == text => {}
                Segment::Literal(_) => return None,
                Segment::Label(label) => labels.push((label.as_str(), text)),
            }
        }
        given.next().is_none().then_some(labels)
    }

    fn query_fits(&self, query: &str) -> bool {
        self.query.iter().all(|(name, value)| query.split('&').any(|pair| pair == format!("{name}={value}")))
    }
}

/// The segments of a path; a slash at the end is how older clients write collections.
fn split(path: &str) -> impl Iterator<Item = &str> {
    path.trim_matches('/').split('/')
}

impl Service {
    /// The operation that a request is for.
    #[must_use]
    pub fn route(&self, method: &Method, path: &str, query: &str, headers: &HeaderMap) -> Option<&Operation> {
        if self.data.protocol == "json" {
            let target = headers.get("x-amz-target")?.to_str().ok()?;
            let name = target.strip_prefix(self.data.target_prefix.as_deref()?)?.strip_prefix('.')?;
            return self.operations.iter().find(|operation| operation.data.name == name);
        }
        let fits = |operation: &&Operation| {
            operation.data.method == method.as_str()
                && operation.template.labels(path).is_some()
                && operation.template.query_fits(query)
        };
        // The one with the most to say about the query is the more particular one.
        self.operations.iter().filter(fits).max_by_key(|operation| operation.template.query.len())
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
        assert!(service.route(&http::Method::GET, "/nothing", "", &http::HeaderMap::new()).is_none());
    }
}
