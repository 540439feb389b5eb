//! A function as invokes see it: its versions, its aliases, and what they share.

mod provisioned;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tindra_core::alias::Alias;
use tindra_core::function::{Function, Reason, RecursiveLoop, Scope, State, Version};
use tindra_core::name::LATEST;
use tindra_core::provisioned::Provisioned;

use crate::admission::{Account, Admission, Permit, Share};
use crate::environments::Target;
use crate::figures::Figures;
use crate::sampling::Sampling;
use crate::{InvokeError, ProvisionedUse};
use provisioned::ProvisionedShares;

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
                deployment: Arc::new(deployment),
                tenant: None,
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
    account: Arc<Account>,
    /// Of the function's own reserve, or of its account and region.
    on_demand: Arc<Share>,
    reserve: Option<u32>,
    recursive_loop: RecursiveLoop,
    provisioned: ProvisionedShares,
}

impl Known {
    /// A function without versions yet; `reserve` is what it has reserved as far as the store is known.
    pub(crate) fn new(scope: &Scope, name: &str, admission: &Admission, reserve: Option<u32>) -> Self {
        Self {
            scope: scope.clone(),
            versions: HashMap::new(),
            aliases: HashMap::new(),
            figures: Arc::new(Figures::new(scope, name)),
            sampling: Arc::default(),
            account: admission.account(scope),
            on_demand: admission.find(scope, name, reserve),
            reserve,
            recursive_loop: RecursiveLoop::default(),
            provisioned: ProvisionedShares::default(),
        }
    }

    /// The same function before anything was told of it, with the shares in which its invokes are counted.
    pub(crate) fn emptied(&self) -> Self {
        let provisioned = self.provisioned.without_grants();
        Self { versions: HashMap::new(), aliases: HashMap::new(), reserve: None, provisioned, ..self.clone() }
    }

    /// Counts an invoke of a version in: as one of its provisioned ones, else on demand.
    pub(crate) fn admit(&self, version: Version, now: Duration) -> Result<Permit, InvokeError> {
        if let Some(provisioned) = self.provisioned.share(version) {
            if let Ok(permit) = provisioned.admit(&self.account, now) {
                self.figures.provisioned();
                return Ok(permit);
            }
            let permit = self.on_demand.admit(&self.account, now)?;
            self.figures.spilled_over();
            return Ok(permit);
        }
        self.on_demand.admit(&self.account, now)
    }

    /// How much of what is provisioned for a version was used at once since the last time that somebody asked.
    pub(crate) fn take_provisioned_use(&self, version: Version) -> Option<ProvisionedUse> {
        let share = self.provisioned.share(version)?;
        Some(ProvisionedUse { peak: share.take_peak(), allocated: share.limit() })
    }

    /// The version that a qualifier leads to, for an alias the one without a weight.
    pub(crate) fn version(&self, qualifier: &str) -> Option<Version> {
        Version::parse(qualifier).or_else(|| self.aliases.get(qualifier).map(|alias| alias.version))
    }

    pub(crate) fn set_reserve(&mut self, reserve: Option<u32>) {
        self.reserve = reserve;
    }

    /// Whether the function is not to be invoked at all: its reserve is 0.
    pub(crate) fn wants_nothing(&self) -> bool {
        self.reserve == Some(0)
    }

    pub(crate) fn set_recursive_loop(&mut self, recursive_loop: RecursiveLoop) {
        self.recursive_loop = recursive_loop;
    }

    /// Whether an invoke that the function has caused itself too often is to be stopped.
    pub(crate) fn ends_loops(&self) -> bool {
        self.recursive_loop == RecursiveLoop::Terminate
    }

    pub(crate) fn set_provisioned(&mut self, qualifier: &str, record: Option<&Provisioned>) {
        self.provisioned.set(qualifier, record);
    }

    /// Claims what the function keeps for itself now. After every change of reserve, provisioned concurrency or aliases.
    pub(crate) fn claim(&mut self, name: &str, admission: &Admission) {
        self.on_demand = admission.claim(&self.scope, name, self.reserve, self.provisioned.requested());
        let aliases = &self.aliases;
        self.provisioned.settle(admission, |qualifier| {
            Version::parse(qualifier).or_else(|| aliases.get(qualifier).map(|alias| alias.version))
        });
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
        self.versions.is_empty() && self.aliases.is_empty() && self.provisioned.is_empty()
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
