//! A function as invokes see it: its versions, its aliases, and what they share.

use std::collections::HashMap;
use std::sync::Arc;

use tindra_core::alias::Alias;
use tindra_core::function::{Function, Reason, Scope, State, Version};
use tindra_core::name::LATEST;

use crate::InvokeError;
use crate::admission::Counter;
use crate::environments::Target;
use crate::figures::Figures;
use crate::sampling::Sampling;

/// One version of a function.
#[derive(Debug)]
pub(crate) struct Entry {
    serving: Result<Arc<Target>, NotServing>,
    is_unsettled: bool,
}

#[derive(Debug)]
enum NotServing {
    Pending,
    Failed(Reason),
}

impl Entry {
    pub(crate) fn new(function: Function) -> Self {
        let is_unsettled = function.is_unsettled();
        let serving = match (function.state, function.serving) {
            (State::Active, Some(deployment)) => Ok(Arc::new(Target {
                function_id: function.id,
                scope: function.scope,
                name: function.name,
                version: function.version,
                deployment,
            })),
            (State::Failed, _) => Err(NotServing::Failed(function.state_reason.unwrap_or_else(unknown_reason))),
            (State::Pending | State::Active, _) => Err(NotServing::Pending),
        };
        Self { serving, is_unsettled }
    }

    /// What an invoke runs.
    pub(crate) fn target(&self) -> Result<&Arc<Target>, InvokeError> {
        self.serving.as_ref().map_err(|why| match why {
            NotServing::Pending => InvokeError::Pending,
            NotServing::Failed(reason) => {
                InvokeError::Failed { reason_code: reason.code.clone(), message: reason.message.clone() }
            }
        })
    }

    /// True while the store may know better at any moment.
    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_unsettled
    }
}

fn unknown_reason() -> Reason {
    Reason { code: "InternalError".to_owned(), message: "The function could not be created.".to_owned() }
}

/// A function with all its versions and aliases. Cheap to clone: a change makes a new one.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) scope: Scope,
    versions: HashMap<Version, Arc<Entry>>,
    aliases: HashMap<String, Arc<Alias>>,
    pub(crate) figures: Arc<Figures>,
    pub(crate) sampling: Arc<Sampling>,
    /// The function's own reserve, or its account's and region's common one.
    pub(crate) concurrency: Arc<Counter>,
}

impl Known {
    pub(crate) fn new(scope: &Scope, name: &str, concurrency: Arc<Counter>) -> Self {
        Self {
            scope: scope.clone(),
            versions: HashMap::new(),
            aliases: HashMap::new(),
            figures: Arc::new(Figures::new(scope, name)),
            sampling: Arc::default(),
            concurrency,
        }
    }

    pub(crate) fn set_version(&mut self, version: Version, entry: Option<Entry>) {
        match entry {
            Some(entry) => self.versions.insert(version, Arc::new(entry)),
            None => self.versions.remove(&version),
        };
    }

    pub(crate) fn set_alias(&mut self, name: &str, alias: Option<Alias>) {
        match alias {
            Some(alias) => self.aliases.insert(name.to_owned(), Arc::new(alias)),
            None => self.aliases.remove(name),
        };
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.versions.is_empty() && self.aliases.is_empty()
    }

    /// The version that a qualifier leads to now; `random` decides for an alias with two versions.
    pub(crate) fn find(&self, qualifier: Option<&str>, random: impl FnOnce() -> u64) -> Option<&Arc<Entry>> {
        let version = match Version::parse(qualifier.unwrap_or(LATEST)) {
            Some(version) => version,
            None => self.aliases.get(qualifier?)?.route(random()),
        };
        self.versions.get(&version)
    }
}
