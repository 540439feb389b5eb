//! The parameters that a method requires, where it has a validator for them.

use tindra_core::door::{IdentityFacts, IdentitySource};

use super::exchange::Exchange;
use super::refusal::Refusal;
use super::stage::Found;

pub(super) fn check(exchange: &Exchange<'_>, found: &Found<'_>) -> Result<(), Refusal> {
    let validators = &exchange.stage.content.validators;
    let validator = found.method.request_validator_id.as_ref().and_then(|id| validators.get(id));
    if !validator.is_some_and(|validator| validator.validate_request_parameters) {
        return Ok(());
    }
    let required = found.method.request_parameters.iter().filter(|(_, is_required)| **is_required);
    let missing: Vec<&str> = required
        .filter_map(|(parameter, _)| {
            let (_, name) = parameter.strip_prefix("method.request.")?.split_once('.')?;
            (!is_there(exchange, found, parameter, name)).then_some(name)
        })
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(Refusal::missing_parameters(&missing)) }
}

fn is_there(exchange: &Exchange<'_>, found: &Found<'_>, parameter: &str, name: &str) -> bool {
    if parameter.starts_with("method.request.path.") {
        return found.path_parameters.iter().any(|(known, _)| known == name);
    }
    let source: Result<IdentitySource, _> = parameter.parse();
    source.is_ok_and(|source| source.read(&exchange.request, &IdentityFacts::default()).is_some())
}
