//! Tags of queues.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tindra_model::ApiError;

use super::SqsService;
use super::error::{invalid, missing, pairs, texts};
use super::record::Known;

/// Tags of a queue (AWS).
const TAGS_MAX: usize = 50;

/// Tags with others added to them.
pub(super) fn merged(
    tags: &BTreeMap<String, String>,
    added: &[(&str, &str)],
) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = tags.clone();
    for (key, value) in added {
        if key.is_empty() || key.chars().count() > 128 || key.to_ascii_lowercase().starts_with("aws:") {
            return Err(invalid(format!(
                "The tag key {key} is not valid: it has 1 to 128 characters and does not begin with aws:."
            )));
        }
        if value.chars().count() > 256 {
            return Err(invalid(format!("The value of the tag {key} is longer than 256 characters.")));
        }
        tags.insert((*key).to_owned(), (*value).to_owned());
    }
    if tags.len() > TAGS_MAX {
        return Err(invalid("Too many tags added for queue. Maximum allowed: 50."));
    }
    Ok(tags)
}

impl SqsService {
    pub(super) fn list_tags(queue: &Known) -> Value {
        if queue.tags.is_empty() { json!({}) } else { json!({ "Tags": queue.tags }) }
    }

    pub(super) async fn tag(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let added = pairs(input, "Tags");
        if added.is_empty() {
            return Err(missing("Tags"));
        }
        let changed = self.change(queue, |queue| {
            queue.tags = merged(&queue.tags, &added)?;
            Ok(())
        });
        changed.await.map(|()| json!({}))
    }

    pub(super) async fn untag(&self, queue: &Known, input: &Value) -> Result<Value, ApiError> {
        let keys = texts(input, "TagKeys");
        if keys.is_empty() {
            return Err(missing("TagKeys"));
        }
        let changed = self.change(queue, |queue| {
            keys.iter().for_each(|key| drop(queue.tags.remove(*key)));
            Ok(())
        });
        changed.await.map(|()| json!({}))
    }
}
