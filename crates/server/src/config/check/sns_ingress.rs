//! Topics that take the messages of topics elsewhere: whole ARNs, and each topic once.

use tindra_services::sns::Ingress;

use super::{Layers, invalid};
use crate::config::{ConfigError, SnsIngressSettings};

pub(super) fn sns_ingress(layers: &Layers) -> Result<Vec<Ingress>, ConfigError> {
    let (settings, origin) = layers.pick("sns_ingress", |settings| &settings.sns_ingress);
    let mut all: Vec<Ingress> = Vec::new();
    for SnsIngressSettings { topic, from, verify, cert_host } in settings.unwrap_or_default() {
        for arn in [&topic, &from] {
            if !is_topic(arn) {
                let problem = format!("names {arn}, which is no ARN of a topic");
                let remedy = "write it like arn:aws:sns:us-east-1:000000000000:orders";
                return Err(invalid("sns_ingress", origin, problem, remedy));
            }
        }
        if all.iter().any(|other| other.topic == topic) {
            let problem = format!("names {topic} twice");
            return Err(invalid(
                "sns_ingress",
                origin,
                problem,
                "take the messages of each topic in a topic of its own",
            ));
        }
        all.push(Ingress { topic, from, verify: verify.unwrap_or(true), cert_host });
    }
    Ok(all)
}

fn is_topic(arn: &str) -> bool {
    let fields: Vec<&str> = arn.split(':').collect();
    matches!(fields[..], ["arn", "aws", "sns", region, account, name]
        if !region.is_empty() && account.len() == 12 && !name.is_empty() && !name.contains('/'))
}
