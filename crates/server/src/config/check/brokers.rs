//! Brokers and secrets: whole ARNs, each once, and a place for each.

use std::collections::BTreeMap;

use tindra_brokers::BrokerUrlError;

use super::{Layers, invalid};
use crate::config::{Broker, BrokerSettings, ConfigError, SecretPlace, SecretSettings};

pub(super) fn brokers(layers: &Layers) -> Result<Vec<Broker>, ConfigError> {
    let (settings, origin) = layers.pick("brokers", |settings| &settings.brokers);
    let mut all: Vec<Broker> = Vec::new();
    for BrokerSettings { arn, url, ca_cert } in settings.unwrap_or_default() {
        if !is_resource(&arn, "mq", "broker:") {
            let remedy = "write it like arn:aws:mq:us-east-1:000000000000:broker:orders:b-1";
            return Err(invalid("brokers", origin, format!("names {arn}, which is no ARN of a broker"), remedy));
        }
        if all.iter().any(|other| other.arn == arn) {
            return Err(invalid("brokers", origin, format!("names {arn} twice"), "give each broker its own ARN"));
        }
        let url = url.parse().map_err(|error: BrokerUrlError| {
            let remedy = "write it like amqps://rabbit.example:5671, without a user, a password and a path";
            invalid("brokers", origin.clone(), format!("has for {arn} a url that is {error}"), remedy)
        })?;
        all.push(Broker { arn, url, authorities: ca_cert });
    }
    Ok(all)
}

pub(super) fn secrets(
    layers: &Layers,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, SecretPlace>, ConfigError> {
    let (settings, origin) = layers.pick("secrets", |settings| &settings.secrets);
    let mut all = BTreeMap::new();
    for SecretSettings { arn, file, variable: name } in settings.unwrap_or_default() {
        if !is_resource(&arn, "secretsmanager", "secret:") {
            let remedy = "write it like arn:aws:secretsmanager:us-east-1:000000000000:secret:rabbit";
            return Err(invalid("secrets", origin, format!("names {arn}, which is no ARN of a secret"), remedy));
        }
        let place = match (file, name) {
            (Some(file), None) => SecretPlace::File(file),
            (None, Some(name)) => match variable(&name).filter(|text| !text.is_empty()) {
                Some(text) => SecretPlace::Text(text),
                None => {
                    let problem = format!("names for {arn} the environment variable {name}, which is not set");
                    return Err(invalid("secrets", origin, problem, "set it, or name a file"));
                }
            },
            _ => {
                let problem = format!("has for {arn} not one place");
                return Err(invalid("secrets", origin, problem, "give file = \"…\" or variable = \"…\""));
            }
        };
        if all.insert(arn.clone(), place).is_some() {
            return Err(invalid("secrets", origin, format!("names {arn} twice"), "give each secret its own ARN"));
        }
    }
    Ok(all)
}

fn is_resource(arn: &str, service: &str, prefix: &str) -> bool {
    let fields: Vec<&str> = arn.splitn(6, ':').collect();
    matches!(fields[..], ["arn", partition, of, region, account, resource]
        if !partition.is_empty() && of == service && !region.is_empty() && account.len() == 12
            && resource.strip_prefix(prefix).is_some_and(|name| !name.is_empty()))
}
