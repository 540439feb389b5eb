//! The resources of a REST API.

use super::PathPattern;
use super::key::ANY;

/// A resource with its methods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource<T> {
    /// Its whole path from the root, for example `/pets/{id}`.
    pub path: PathPattern,
    /// The methods by name, `ANY` among them, with what they lead to.
    pub methods: Vec<(String, T)>,
}

/// All resources of an API.
#[derive(Clone, Debug)]
pub struct ResourceTree<T> {
    resources: Vec<Resource<T>>,
}

/// The method that a request takes.
#[derive(Debug, PartialEq, Eq)]
pub struct ResourceMatch<'a, T> {
    /// The resource, whose text is `resource` and `resourcePath` of the event.
    pub path: &'a PathPattern,
    /// What the method leads to.
    pub target: &'a T,
    /// Decoded, in order of the path.
    pub path_parameters: Vec<(String, String)>,
}

impl<T> ResourceTree<T> {
    /// A tree of these resources. Those without methods (mere parents) may be left out.
    #[must_use]
    pub fn new(resources: Vec<Resource<T>>) -> Self {
        Self { resources }
    }

    /// The method for a request to a path within the stage (percent-encoded; one slash at its end does not
    /// count); none for 403 (`{"message":"Missing Authentication Token"}`). The resource is found first, a
    /// literal part before a variable before a greedy one, which takes at least one part; then its method, or its
    /// `ANY`.
    #[must_use]
    pub fn select(&self, method: &str, path: &str) -> Option<ResourceMatch<'_, T>> {
        let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
        let matches = self.resources.iter().filter_map(|resource| {
            let has_rest = !(resource.path.is_greedy() && path.ends_with('/'));
            let path_parameters = resource.path.matches(path)?;
            if has_rest && !resource.methods.is_empty() { Some((resource, path_parameters)) } else { None }
        });
        let (resource, path_parameters) = matches.min_by_key(|(resource, _)| resource.path.ranks())?;
        let named = |name: &str| resource.methods.iter().find(|(own, _)| own == name);
        let (_, target) = named(method).or_else(|| named(ANY))?;
        Some(ResourceMatch { path: &resource.path, target, path_parameters })
    }
}
