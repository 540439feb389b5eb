//! Stage variables: what they may be called, and what they may be.

use std::collections::BTreeMap;

use tindra_core::limits;

use super::HttpApiError;

/// Sets variables; an empty value takes one away.
pub(super) fn set(
    variables: &mut BTreeMap<String, String>,
    asked: &BTreeMap<String, String>,
) -> Result<(), HttpApiError> {
    for (name, value) in asked {
        if value.is_empty() {
            variables.remove(name);
            continue;
        }
        check(name, value)?;
        variables.insert(name.clone(), value.clone());
    }
    match variables.len() > limits::HTTP_API_STAGE_VARIABLES_MAX {
        true => Err(HttpApiError::limit("StageVariables", "stage", limits::HTTP_API_STAGE_VARIABLES_MAX)),
        false => Ok(()),
    }
}

fn check(name: &str, value: &str) -> Result<(), HttpApiError> {
    let is_name = !name.is_empty()
        && name.len() <= limits::HTTP_API_STAGE_VARIABLE_NAME_MAX
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !is_name {
        return Err(HttpApiError::invalid(format!(
            "Stage variable name '{name}' is invalid: it must have 1 to {} alphanumeric and underscore characters.",
            limits::HTTP_API_STAGE_VARIABLE_NAME_MAX
        )));
    }
    let is_value = value.len() <= limits::HTTP_API_STAGE_VARIABLE_VALUE_MAX
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte));
    match is_value {
        true => Ok(()),
        false => Err(HttpApiError::invalid(format!(
            "Stage variable value for '{name}' is invalid: it must have at most {} characters, all of [A-Za-z0-9-._~:/?#&=,].",
            limits::HTTP_API_STAGE_VARIABLE_VALUE_MAX
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_added_changed_and_taken_away() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let mut variables = map(&[("a", "1"), ("b", "2")]);
        set(&mut variables, &map(&[("a", ""), ("b", "3"), ("c_1", "x?y=z&-._~:/#,")])).unwrap();
        assert_eq!(variables, map(&[("b", "3"), ("c_1", "x?y=z&-._~:/#,")]));
        for (name, value) in [("a-b", "1"), ("", "1"), ("a", "b c"), ("a", &"x".repeat(513)), (&"n".repeat(65), "1")] {
            assert_eq!(set(&mut variables, &map(&[(name, value)])).unwrap_err().code(), "BadRequestException");
        }
    }
}
