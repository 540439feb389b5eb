//! Tags of users, roles and policies.

use super::IamError;
use super::records::Tag;

/// Tags of one resource (AWS quota).
const TAGS_MAX: usize = 50;

/// Refuses keys that are there twice; their case does not count.
pub(super) fn check(tags: &[Tag]) -> Result<(), IamError> {
    let is_again =
        |(index, tag): (usize, &Tag)| tags[..index].iter().any(|earlier| earlier.key.eq_ignore_ascii_case(&tag.key));
    if tags.iter().enumerate().any(is_again) {
        return Err(IamError::invalid_input(
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ));
    }
    if tags.iter().any(|tag| tag.key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(IamError::invalid_input("Tag keys that start with aws: are reserved for system use."));
    }
    Ok(())
}

/// Adds tags; what has the same key is replaced.
pub(super) fn add(present: &mut Vec<Tag>, new: Vec<Tag>) -> Result<(), IamError> {
    check(&new)?;
    for tag in new {
        present.retain(|old| !old.key.eq_ignore_ascii_case(&tag.key));
        present.push(tag);
    }
    if present.len() > TAGS_MAX {
        return Err(IamError::limit("The number of tags has reached the maximum limit."));
    }
    Ok(())
}

/// Removes the tags of these keys; a key that is not there does not matter.
pub(super) fn remove(present: &mut Vec<Tag>, keys: &[String]) {
    present.retain(|tag| !keys.iter().any(|key| key.eq_ignore_ascii_case(&tag.key)));
}
