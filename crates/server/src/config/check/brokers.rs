//! Brokers and secrets: whole ARNs, each once, and a place for each.

use std::collections::BTreeMap;

use tindra_brokers::BrokerUrlError;

use super::{Layers, invalid};
use crate::config::{Broker, BrokerPlace, BrokerSettings, ConfigError, SecretPlace, SecretSettings};

/// How ARNs are written.
const RABBIT_EXAMPLE: &str = "arn:aws:mq:us-east-1:000000000000:broker:orders:b-1";
const KAFKA_EXAMPLE: &str = "arn:aws:kafka:us-east-1:000000000000:cluster/orders/1";
/// How URLs are written.
const URL_REMEDY: &str = "write it like amqps://rabbit.example:5671 or kafkas://one.example:9093,two.example:9093, without a user, \
     a password and a path";

pub(super) fn brokers(layers: &Layers) -> Result<Vec<Broker>, ConfigError> {
    let (settings, origin) = layers.pick("brokers", |settings| &settings.brokers);
    let mut all: Vec<Broker> = Vec::new();
    for BrokerSettings { arn, url, ca_cert } in settings.unwrap_or_default() {
        let name = arn.as_deref().unwrap_or("one without an arn");
        let place = place(&url).map_err(|problem| {
            invalid("brokers", origin.clone(), format!("has for {name} a url that is {problem}"), URL_REMEDY)
        })?;
        let (is_fitting, example) = match (&arn, &place) {
            (Some(arn), BrokerPlace::Rabbit(_)) => (is_resource(arn, "mq", "broker:"), RABBIT_EXAMPLE),
            (None, BrokerPlace::Rabbit(_)) => (false, RABBIT_EXAMPLE),
            (Some(arn), BrokerPlace::Kafka { .. }) => (is_resource(arn, "kafka", "cluster/"), KAFKA_EXAMPLE),
            (None, BrokerPlace::Kafka { .. }) => (true, KAFKA_EXAMPLE),
        };
        if !is_fitting {
            let problem = format!("names {name}, which is no ARN of a broker of the kind that its url is of");
            return Err(invalid("brokers", origin, problem, format!("write it like {example}")));
        }
        if arn.is_some() && all.iter().any(|other| other.arn == arn) {
            return Err(invalid("brokers", origin, format!("names {name} twice"), "give each broker its own ARN"));
        }
        all.push(Broker { arn, place, authorities: ca_cert });
    }
    Ok(all)
}

/// What a URL says; a problem reads after "is".
fn place(url: &str) -> Result<BrokerPlace, String> {
    let (scheme, servers) = url.split_once("://").unwrap_or_default();
    if !matches!(scheme, "kafka" | "kafkas") {
        return url.parse().map(BrokerPlace::Rabbit).map_err(|error: BrokerUrlError| error.to_string());
    }
    let servers: Vec<String> = servers.split(',').map(str::to_owned).collect();
    match servers.iter().all(|server| is_server(server)) {
        true => Ok(BrokerPlace::Kafka { servers, is_tls: scheme == "kafkas" }),
        // It may have a password in it, which is not repeated.
        false => Err("not HOST:PORT, or several of them with commas between".to_owned()),
    }
}

fn is_server(text: &str) -> bool {
    let (host, port) = text.rsplit_once(':').unwrap_or_default();
    let is_of_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    !host.is_empty() && host.bytes().all(is_of_host) && port.parse::<u16>().is_ok_and(|port| port > 0)
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
