//! The settings of the services outside: an endpoint each, and keys from the environment.

use tindra_model::signing::Credentials;
use tindra_outside::{Endpoint, EndpointError, OutsideService};

use super::super::source::Layers;
use super::super::{ConfigError, OutsideAccess, Settings};
use super::invalid;

pub(super) fn outside(
    layers: &Layers,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<OutsideAccess, ConfigError> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    let endpoint = |service, field| endpoint(layers, &variable, service, field);
    Ok(OutsideAccess {
        sqs: endpoint(OutsideService::Sqs, |settings| &settings.sqs_endpoint)?,
        sns: endpoint(OutsideService::Sns, |settings| &settings.sns_endpoint)?,
        eventbridge: endpoint(OutsideService::EventBridge, |settings| &settings.eventbridge_endpoint)?,
        s3: endpoint(OutsideService::S3, |settings| &settings.s3_endpoint)?,
        kinesis: endpoint(OutsideService::Kinesis, |settings| &settings.kinesis_endpoint)?,
        dynamodb_streams: endpoint(OutsideService::DynamoDbStreams, |settings| &settings.dynamodb_streams_endpoint)?,
        keys: keys(&variable),
    })
}

/// The setting, or else the variable that AWS's own clients read; an empty one is none.
fn endpoint(
    layers: &Layers,
    variable: &dyn Fn(&str) -> Option<String>,
    service: OutsideService,
    field: fn(&Settings) -> &Option<String>,
) -> Result<Option<Endpoint>, ConfigError> {
    let (text, origin) = match layers.pick(service.setting(), field) {
        (Some(text), origin) => (Some(text), origin),
        (None, _) => (variable(service.variable()), service.variable().to_owned()),
    };
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let endpoint = text.parse().map_err(|error: EndpointError| {
        let example = service.signing_name();
        invalid(
            service.setting(),
            origin,
            format!("is {error}"),
            format!("write it like http://127.0.0.1:9000 or https://{example}.eu-west-1.amazonaws.com, without a path"),
        )
    })?;
    Ok(Some(endpoint))
}

fn keys(variable: &dyn Fn(&str) -> Option<String>) -> Option<Credentials> {
    let (access_key_id, secret_access_key) = variable("AWS_ACCESS_KEY_ID").zip(variable("AWS_SECRET_ACCESS_KEY"))?;
    Some(Credentials { access_key_id, secret_access_key, session_token: variable("AWS_SESSION_TOKEN") })
}
