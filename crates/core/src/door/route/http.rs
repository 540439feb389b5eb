//! The routes of an HTTP API.

use super::RouteKey;

/// The routes of an API, each with what it leads to.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    routes: Vec<(RouteKey, T)>,
}

/// The route that a request takes.
#[derive(Debug, PartialEq, Eq)]
pub struct RouteMatch<'a, T> {
    /// Its key.
    pub key: &'a RouteKey,
    /// What it leads to.
    pub target: &'a T,
    /// Decoded, in order of the path.
    pub path_parameters: Vec<(String, String)>,
}

impl<T> RouteTable<T> {
    /// A table of routes; of two with equal keys the first counts.
    #[must_use]
    pub fn new(routes: Vec<(RouteKey, T)>) -> Self {
        Self { routes }
    }

    /// The route for a method and a path within the stage (percent-encoded); none for 404 (`{"message":"Not
    /// Found"}`). A route without a greedy variable comes before one with, then the one that is more specific
    /// part by part, then one for the method before `ANY`; `$default` is last.
    ///
    /// Source: API Gateway developer guide, "Create routes for HTTP APIs", "Routing API requests".
    #[must_use]
    pub fn select(&self, method: &str, path: &str) -> Option<RouteMatch<'_, T>> {
        let matches = self.routes.iter().filter_map(|(key, target)| {
            let (precedence, path_parameters) = key.matches(method, path)?;
            Some((precedence, RouteMatch { key, target, path_parameters }))
        });
        matches.min_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, matched)| matched)
    }
}

/// The lesser goes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Precedence {
    is_default: bool,
    is_greedy: bool,
    ranks: Vec<u8>,
    is_any: bool,
}

impl RouteKey {
    fn matches(&self, method: &str, path: &str) -> Option<(Precedence, Vec<(String, String)>)> {
        match self {
            Self::Default => {
                let last = Precedence { is_default: true, is_greedy: true, ranks: Vec::new(), is_any: true };
                Some((last, Vec::new()))
            }
            Self::Path { method: own, .. } if own.as_ref().is_some_and(|own| own != method) => None,
            Self::Path { method: own, path: pattern } => {
                let precedence = Precedence {
                    is_default: false,
                    is_greedy: pattern.is_greedy(),
                    ranks: pattern.ranks(),
                    is_any: own.is_none(),
                };
                Some((precedence, pattern.matches(path)?))
            }
        }
    }
}
