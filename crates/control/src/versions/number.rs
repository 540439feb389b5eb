//! Giving a version its number.

use serde::{Deserialize, Serialize};
use tindra_core::function::{Function, Scope, State, UpdateStatus, Version};
use tindra_store::{Batch, JsonBatch as _, JsonRecords as _, Precondition, Versioned};
use uuid::Uuid;

use crate::Control;
use crate::change::creating;
use crate::error::ControlError;

/// The highest number that a name ever had. It outlives the function, so that numbers are not reused when a
/// function is created again under its name (AWS: "Manage Lambda function versions").
#[derive(Debug, Default, Serialize, Deserialize)]
struct Numbers {
    last: u64,
}

/// The version that a publication leads to.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) version: Function,
    /// False when nothing has changed since it was published.
    pub(crate) is_new: bool,
    /// As it was given, and with the new version.
    pub(crate) batch: Batch,
}

impl Control {
    /// Makes the next version of a function as it now is, and adds it to the batch that changes the function.
    /// The batch must fail when the function is changed meanwhile.
    pub(crate) async fn number(
        &self,
        function: &Function,
        description: Option<&str>,
        batch: Batch,
    ) -> Result<Numbered, ControlError> {
        let (scope, name) = (&function.scope, &function.name);
        let key = numbers_key(scope, name);
        let numbers: Option<Versioned<Numbers>> = self.store.metadata.get_json(&key).await?;
        let (last, precondition) = match &numbers {
            Some(record) => (record.value.last, Precondition::Revision(record.revision)),
            None => (0, Precondition::Absent),
        };
        if last > 0 {
            let key = Function::version_key(scope, name, Version::Published(last));
            let published: Option<Versioned<Function>> = self.store.metadata.get_json(&key).await?;
            if let Some(published) = published.filter(|published| is_unchanged(function, &published.value)) {
                return Ok(Numbered { version: published.value, is_new: false, batch });
            }
        }
        let version = publish(function, last + 1, description);
        let batch = batch.put_json(key, precondition, &Numbers { last: last + 1 })?.put_json(
            version.record_key(),
            Precondition::Absent,
            &version,
        )?;
        Ok(Numbered { version, is_new: true, batch })
    }
}

fn numbers_key(scope: &Scope, name: &str) -> String {
    format!("version-numbers/{}/{}/{name}", scope.account, scope.region)
}

fn is_unchanged(latest: &Function, published: &Function) -> bool {
    let (wanted, had) = (&latest.desired, &published.desired);
    let is_same = published.published_from == Some(wanted.generation)
        || (wanted.code == had.code && wanted.configuration == had.configuration);
    is_same && published.id == latest.id
}

/// A copy of `$LATEST`. What has been prepared for the one is ready for the other, but for a snapshot, which is made
/// of each version.
fn publish(latest: &Function, number: u64, description: Option<&str>) -> Function {
    let mut desired = latest.desired.clone();
    desired.generation = Uuid::new_v4();
    if let Some(description) = description {
        desired.configuration.description = description.to_owned();
    }
    let is_ready = !latest.is_unsettled() && !desired.configuration.snapshots_versions;
    let serving = is_ready.then(|| desired.clone());
    let reason = (!is_ready).then(creating);
    Function {
        version: Version::Published(number),
        revision_id: Uuid::new_v4(),
        state: if is_ready { State::Active } else { State::Pending },
        state_reason: reason.clone(),
        update_status: if is_ready { UpdateStatus::Successful } else { UpdateStatus::InProgress },
        update_reason: reason,
        published_from: Some(latest.desired.generation),
        desired,
        serving,
        tags: std::collections::BTreeMap::new(),
        reserved_concurrency: None,
        ..latest.clone()
    }
}
