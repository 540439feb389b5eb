//! What a target gets of an event: all of it, a part, a constant, or a text that is made of parts of it.

mod path;
mod template;
#[cfg(test)]
mod tests;

pub(super) use path::Path;
pub(super) use template::{Facts, Template};

use serde_json::Value;

use super::target::Target;

/// The body for a target; none where it is the event itself.
pub(super) fn body(target: &Target, event: &Value, facts: &Facts<'_>) -> Option<String> {
    if let Some(input) = &target.input {
        return Some(input.clone());
    }
    if let Some(path) = &target.input_path {
        // The whole event needs no copy.
        let path = Path::parse(path).filter(|path| !path.is_root())?;
        return Some(path.find(event).unwrap_or(Value::Null).to_string());
    }
    let transformer = target.input_transformer.as_ref()?;
    Some(Template::fill(&transformer.input_template, &transformer.input_paths_map, event, facts))
}
