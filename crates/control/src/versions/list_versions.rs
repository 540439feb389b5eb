//! `ListVersionsByFunction`: `$LATEST`, then the published ones in the order of their numbers.

use serde_json::Value;
use tindra_core::function::Function;
use tindra_core::name::{FunctionName, LATEST};
use tindra_model::Reply;
use tindra_model::lambda::versions::{ListVersionsByFunctionRequest, ListVersionsByFunctionResponse};

use crate::error::ControlError;
use crate::paging::{page_limit, write_marker};
use crate::shape::View;
use crate::{Caller, Control, read, reply};

/// What stands in a marker for "after `$LATEST`": it sorts before every number.
const BEFORE_NUMBERS: &str = "-";

impl Control {
    pub(crate) async fn list_versions(&self, caller: &Caller, input: Value) -> Result<Reply, ControlError> {
        let request: ListVersionsByFunctionRequest = read(input)?;
        let name = FunctionName::read_unqualified(&request.function_name, &caller.scope)?;
        let latest = self.find(&caller.scope, &name).await?.value;
        let prefix = Function::versions_prefix(&caller.scope, &name.name);
        let limit = page_limit(request.max_items);
        let is_first = request.marker.is_none();
        let mut versions = Vec::new();
        if is_first {
            versions.push(self.configuration(&latest, View { qualifier: Some(LATEST), ..View::default() }));
        }
        let room = limit - versions.len();
        let page = match room {
            0 => {
                let has_more = !self.page::<Function>(&prefix, None, Some(1)).await?.items.is_empty();
                return reply(ListVersionsByFunctionResponse {
                    versions: Some(versions),
                    next_marker: has_more.then(|| write_marker(BEFORE_NUMBERS)),
                });
            }
            room => {
                let room = i32::try_from(room).ok();
                self.page::<Function>(&prefix, request.marker.as_deref(), room).await?
            }
        };
        versions.extend(page.items.iter().map(|version| {
            let number = version.version.to_string();
            self.configuration(version, View { qualifier: Some(&number), ..View::default() })
        }));
        reply(ListVersionsByFunctionResponse { versions: Some(versions), next_marker: page.next_marker })
    }
}
