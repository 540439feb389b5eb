//! Tags of resources: read, added to, taken away.
//!
//! A kind of resource that has tags is a [`Resource`] and a record that is [`Tagged`].

mod change_tags;
mod list_tags;
mod resource;

use std::collections::BTreeMap;

use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_core::function::Function;
use uuid::Uuid;

use crate::error::ControlError;

/// Tags of one resource (AWS).
const TAGS_MAX: usize = 50;
/// Characters of a key and of a value (AWS).
const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;

pub(crate) type Tags = BTreeMap<String, String>;

/// A record with tags.
pub(crate) trait Tagged {
    fn tags(&self) -> &Tags;

    /// The tags, to be changed; refused while that cannot be.
    fn tags_mut(&mut self) -> Result<&mut Tags, ControlError>;
}

impl Tagged for Function {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    /// AWS gives a function a new `RevisionId` when its tags change.
    fn tags_mut(&mut self) -> Result<&mut Tags, ControlError> {
        if self.is_unsettled() {
            return Err(ControlError::Busy { arn: self.arn() });
        }
        self.revision_id = Uuid::new_v4();
        Ok(&mut self.tags)
    }
}

impl Tagged for EventSourceMapping {
    fn tags(&self) -> &Tags {
        &self.tags
    }

    fn tags_mut(&mut self) -> Result<&mut Tags, ControlError> {
        Ok(&mut self.tags)
    }
}

/// Refuses tags that a resource cannot have.
pub(crate) fn check(tags: &Tags) -> Result<(), ControlError> {
    if tags.len() > TAGS_MAX {
        return Err(ControlError::invalid("Number of tags exceeds resource tag limit."));
    }
    for (key, value) in tags {
        if key.starts_with("aws:") {
            return Err(ControlError::Invalid(format!("The tag {key} is not allowed: aws: is a reserved prefix.")));
        }
        let (key_characters, value_characters) = (key.chars().count(), value.chars().count());
        if key_characters == 0 || key_characters > KEY_CHARACTERS_MAX || value_characters > VALUE_CHARACTERS_MAX {
            return Err(ControlError::Invalid(format!(
                "The tag {key} is not allowed: keys have 1 to {KEY_CHARACTERS_MAX} characters, values at most {VALUE_CHARACTERS_MAX}."
            )));
        }
    }
    Ok(())
}
