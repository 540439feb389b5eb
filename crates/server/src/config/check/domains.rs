//! Custom domains: each a name that is given once, with one target and, if at all, both files of a certificate.

use std::collections::HashSet;
use std::net::IpAddr;

use super::{Layers, invalid};
use crate::config::{ConfigError, Domain, DomainSettings, DomainTarget, TlsFiles};

const NAME_LENGTH_MAX: usize = 253;
const LABEL_LENGTH_MAX: usize = 63;
/// A name of a function (Lambda's limit), of an alias, of a stage (API Gateway's limit is the same), of an API.
const TARGET_LENGTH_MAX: usize = 128;
const STAGE_DEFAULT: &str = "$default";

/// What is wrong, so that it reads after "domains", and what to do.
type Problem = (String, &'static str);

/// `has_tls`: the server has a certificate for those who ask for no domain.
pub(super) fn domains(layers: &Layers, has_tls: bool) -> Result<Vec<Domain>, ConfigError> {
    let (settings, origin) = layers.pick("domains", |settings| &settings.domains);
    let wrong = |(problem, remedy): Problem| invalid("domains", origin.clone(), problem, remedy);
    let mut names = HashSet::new();
    let mut all = Vec::new();
    for settings in settings.unwrap_or_default() {
        let domain = domain(&settings, has_tls).map_err(wrong)?;
        if !names.insert(domain.name.clone()) {
            return Err(wrong((format!("has {} twice", domain.name), "leave one of them out")));
        }
        all.push(domain);
    }
    Ok(all)
}

fn domain(settings: &DomainSettings, has_tls: bool) -> Result<Domain, Problem> {
    let name = name(&settings.name)?;
    let target = target(settings).map_err(|(problem, remedy)| (format!("has {name}, which {problem}"), remedy))?;
    let tls = match (&settings.tls_cert, &settings.tls_key) {
        (Some(_), Some(_)) if !has_tls => {
            let problem =
                format!("has {name} with a certificate, and the server has none for those who ask for no name");
            return Err((problem, "give tls_cert and tls_key of the server too (--tls-cert, --tls-key)"));
        }
        (Some(certificate), Some(key)) => Some(TlsFiles { certificate: certificate.clone(), key: key.clone() }),
        (None, None) => None,
        _ => return Err((format!("has {name} with half a certificate"), "give both tls_cert and tls_key, or neither")),
    };
    Ok(Domain { name, target, tls })
}

fn name(text: &str) -> Result<String, Problem> {
    let name = text.to_ascii_lowercase();
    let remedy = "write a host name without a port, for example api.example.com";
    if name.contains('*') {
        return Err((format!("has the name \"{text}\""), "wildcards are not served: give each name its own entry"));
    }
    let is_label = |label: &str| {
        (1..=LABEL_LENGTH_MAX).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() > NAME_LENGTH_MAX || !name.split('.').all(is_label) || name.parse::<IpAddr>().is_ok() {
        return Err((format!("has the name \"{text}\", which is not a host name"), remedy));
    }
    let is_own = matches!(name.split('.').nth(1), Some("lambda-url" | "execute-api"));
    if name == "localhost" || is_own {
        return Err((format!("has the name \"{text}\", which is the server's own"), remedy));
    }
    Ok(name)
}

fn target(settings: &DomainSettings) -> Result<DomainTarget, Problem> {
    let DomainSettings { function, alias, api, stage, .. } = settings;
    let remedy = "write function = \"NAME\" and, if wanted, alias = \"ALIAS\"; or api = \"ID\" and, if wanted, stage = \"STAGE\"";
    match (function, api) {
        (Some(_), Some(_)) => Err(("leads to a function and to an API".to_owned(), remedy)),
        (None, None) => Err(("leads nowhere".to_owned(), remedy)),
        (Some(_), None) if stage.is_some() => Err(("has a stage, but no API".to_owned(), remedy)),
        (None, Some(_)) if alias.is_some() => Err(("has an alias, but no function".to_owned(), remedy)),
        (Some(function), None) => {
            let is_good = is_word(function) && alias.as_deref().is_none_or(is_word);
            let whole = format!("leads to \"{function}\" and \"{}\"", alias.as_deref().unwrap_or_default());
            let target = DomainTarget::Function { name: function.clone(), alias: alias.clone() };
            if is_good { Ok(target) } else { Err((whole, "names have letters, digits, - and _; no ARN, no version")) }
        }
        (None, Some(id)) => {
            let stage = stage.as_deref().unwrap_or(STAGE_DEFAULT);
            let is_id = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) && is_word(id);
            let is_good = is_id && (is_word(stage) || stage == STAGE_DEFAULT);
            let target = DomainTarget::Api { id: id.clone(), stage: stage.to_owned() };
            let remedy = "an id is small letters and digits; a stage is $default, or letters, digits, - and _";
            if is_good { Ok(target) } else { Err((format!("leads to \"{id}\" and \"{stage}\""), remedy)) }
        }
    }
}

fn is_word(text: &str) -> bool {
    (1..=TARGET_LENGTH_MAX).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
