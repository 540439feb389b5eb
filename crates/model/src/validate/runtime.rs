//! The one enum that AWS checks apart: a function's runtime has a code and words of its own.

use serde_json::Value;

use super::echo::cut;
use crate::data::{Member, Shape};
use crate::error::ApiError;
use crate::service::Service;

/// Runtimes that the model still lists and that AWS no longer lets anybody choose. They are not offered.
const RETIRED: [&str; 22] = [
    "nodejs",
    "nodejs4.3",
    "nodejs4.3-edge",
    "nodejs6.10",
    "nodejs8.10",
    "nodejs10.x",
    "nodejs12.x",
    "nodejs14.x",
    "nodejs16.x",
    "python2.7",
    "python3.6",
    "python3.7",
    "java8",
    "dotnetcore1.0",
    "dotnetcore2.0",
    "dotnetcore2.1",
    "dotnetcore3.1",
    "dotnet6",
    "go1.x",
    "ruby2.5",
    "ruby2.7",
    "provided",
];
/// Customer-managed runtimes, which need an ARN beside the name; not offered either.
const CUSTOM: &str = "custom";

/// Whether AWS no longer lets anybody deploy a runtime that the model still lists.
#[must_use]
pub fn is_retired_runtime(name: &str) -> bool {
    RETIRED.contains(&name)
}

/// Whether a member is a function's runtime. Lists of runtimes and filters by runtime are ordinary enums.
pub(super) fn is_runtime(member: &Member) -> bool {
    member.name == "Runtime" && member.shape == "Runtime"
}

/// Checks a function's runtime, after all else has been found in order.
pub(super) fn check(service: &Service, shape: &Shape, input: &Value) -> Result<(), ApiError> {
    let Some(runtime) = shape.members.iter().find(|member| is_runtime(member)) else { return Ok(()) };
    let given = input.get(&runtime.name).and_then(Value::as_str);
    let values = service.shape(&runtime.shape).and_then(|shape| shape.values.as_deref());
    let (Some(given), Some(values)) = (given, values) else { return Ok(()) };
    if values.iter().any(|value| value == given) {
        return Ok(());
    }
    let offered: Vec<&str> =
        values.iter().map(String::as_str).filter(|value| !is_retired_runtime(value) && *value != CUSTOM).collect();
    let offered = offered.join(", ");
    let given = cut(given.to_owned());
    let message = format!(
        "Value {given} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [{offered}] or be a valid ARN"
    );
    Err(ApiError::new("InvalidParameterValueException", message))
}
