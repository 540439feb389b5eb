//! EventBridge Scheduler: schedules and their groups.
//!
//! A schedule is one record. Its alarm ([`firing`]) names the record's generation, which every change makes anew, so that an
//! alarm of what was before ends for good. What a firing pushes, when the next one is, and the end of a schedule that deletes
//! itself are one commit, which the record guards: every firing happens once.

mod calls;
mod error;
mod firing;
mod groups;
mod page;
mod records;
mod schedules;
mod tags;
mod target;
#[cfg(test)]
mod tests;
mod timing;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tindra_core::clock::UnixMs;
use tindra_model::{ApiError, Call, Reply};

use crate::{Asker, Surroundings};

use error::SchedulerError;

pub use firing::ALARM_PREFIX;

/// EventBridge Scheduler of every account. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SchedulerService {
    around: Surroundings,
}

impl SchedulerService {
    /// Over a store.
    #[must_use]
    pub fn new(around: Surroundings) -> Self {
        Self { around }
    }

    /// Answers one decoded call.
    ///
    /// # Errors
    /// The error as the API answers it.
    pub async fn call(&self, asker: Asker<'_>, call: Call) -> Result<Reply, ApiError> {
        Ok(Reply::new(self.answer(asker, call.operation.name(), call.input).await?))
    }

    async fn answer(&self, asker: Asker<'_>, operation: &str, input: Value) -> Result<Value, SchedulerError> {
        let scope = asker.scope;
        match operation {
            "CreateSchedule" => self.create_schedule(scope, parse(input)?).await,
            "UpdateSchedule" => self.update_schedule(scope, parse(input)?).await,
            "GetSchedule" => self.get_schedule(scope, parse(input)?).await,
            "DeleteSchedule" => self.delete_schedule(scope, parse(input)?).await,
            "ListSchedules" => self.list_schedules(scope, parse(input)?).await,
            "CreateScheduleGroup" => self.create_group(scope, parse(input)?).await,
            "GetScheduleGroup" => self.get_group(scope, parse(input)?).await,
            "DeleteScheduleGroup" => self.delete_group(scope, parse(input)?).await,
            "ListScheduleGroups" => self.list_groups(scope, parse(input)?).await,
            "ListTagsForResource" => self.list_tags(scope, parse(input)?).await,
            "TagResource" => self.tag(scope, parse(input)?).await,
            "UntagResource" => self.untag(scope, parse(input)?).await,
            _ => Err(SchedulerError::new(
                "UnknownOperationException",
                format!("tindra does not serve {operation} of EventBridge Scheduler."),
            )),
        }
    }

    fn now_ms(&self) -> UnixMs {
        self.around.timer.unix_ms()
    }
}

fn parse<T: DeserializeOwned>(input: Value) -> Result<T, SchedulerError> {
    serde_json::from_value(input).map_err(|error| SchedulerError::new("SerializationException", error.to_string()))
}
