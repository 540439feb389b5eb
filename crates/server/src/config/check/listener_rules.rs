//! Rules of a load balancer's listener: in the order of their priorities, each with a host of its own.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tindra_core::door::ListenerRule;
use tindra_doors::load_balancer::Forward;

use super::{Layers, invalid};
use crate::config::{ConfigError, ListenerRuleSettings};

/// The highest priority (AWS).
const PRIORITY_MAX: u32 = 50_000;
/// A pattern (AWS).
const PATTERN_LENGTH_MAX: usize = 128;
/// A name of a target group (AWS).
const TARGET_GROUP_LENGTH_MAX: usize = 32;

/// What is wrong, so that it reads after "listener_rules", and what to do.
type Problem = (String, &'static str);

pub(super) fn listener_rules(layers: &Layers) -> Result<Vec<Forward>, ConfigError> {
    let (settings, origin) = layers.pick("listener_rules", |settings| &settings.listener_rules);
    let wrong = |(problem, remedy): Problem| invalid("listener_rules", origin.clone(), problem, remedy);
    let mut forwards = BTreeMap::new();
    for settings in settings.unwrap_or_default() {
        let priority = settings.priority;
        let forward = forward(settings).map_err(|(problem, remedy)| {
            wrong((format!("has a rule of priority {priority} that {problem}"), remedy))
        })?;
        if forwards.insert(priority, forward).is_some() {
            return Err(wrong((format!("has priority {priority} twice"), "give each rule a priority of its own")));
        }
    }
    Ok(forwards.into_values().collect())
}

fn forward(settings: ListenerRuleSettings) -> Result<Forward, Problem> {
    if !(1..=PRIORITY_MAX).contains(&settings.priority) {
        return Err(("is none".to_owned(), "priorities go from 1 to 50000"));
    }
    if settings.hosts.is_empty() {
        let remedy = "name at least one host, for example app.localhost: without one it would catch calls of the API";
        return Err(("names no host".to_owned(), remedy));
    }
    for host in &settings.hosts {
        check_host(host)?;
    }
    let function = word(&settings.function, 140).ok_or_else(|| unusable("function", &settings.function))?;
    let alias = settings.alias.as_deref().map(|alias| word(alias, 128).ok_or_else(|| unusable("alias", alias)));
    let named = settings.target_group.unwrap_or_else(|| function.chars().take(TARGET_GROUP_LENGTH_MAX).collect());
    let target_group = word(&named, TARGET_GROUP_LENGTH_MAX).ok_or_else(|| unusable("target_group", &named))?;
    let query = settings.query.iter().map(|pattern| match pattern.split_once('=') {
        Some((key, value)) => (Some(key.to_owned()), value.to_owned()),
        None => (None, pattern.clone()),
    });
    let rule = ListenerRule {
        query: query.collect(),
        hosts: settings.hosts,
        paths: settings.paths,
        methods: settings.methods,
        headers: settings.headers.into_iter().collect(),
    };
    check_patterns(&rule)?;
    let multi_value_headers = settings.multi_value_headers;
    Ok(Forward { rule, function, alias: alias.transpose()?, target_group, multi_value_headers })
}

/// A pattern that is nothing but wildcards, or one for an address or `localhost`, would catch calls of the API.
fn check_host(host: &str) -> Result<(), Problem> {
    let letters: String = host.chars().filter(|letter| !matches!(letter, '*' | '?' | '.')).collect();
    let is_own = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok() || host.starts_with('[');
    if letters.is_empty() || is_own {
        let remedy = "name hosts that the API is not called by, for example app.localhost or *.example.com";
        return Err((format!("has the host \"{host}\""), remedy));
    }
    Ok(())
}

fn check_patterns(rule: &ListenerRule) -> Result<(), Problem> {
    let headers = rule.headers.iter().flat_map(|(_, patterns)| patterns);
    let query = rule.query.iter().map(|(_, pattern)| pattern);
    let mut all = rule.hosts.iter().chain(&rule.paths).chain(headers).chain(query);
    match all.find(|pattern| pattern.is_empty() || pattern.len() > PATTERN_LENGTH_MAX) {
        Some(pattern) => Err((format!("has the pattern \"{pattern}\""), "patterns have 1 to 128 characters")),
        None => Ok(()),
    }
}

fn word(text: &str, length_max: usize) -> Option<String> {
    let is_word = (1..=length_max).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    is_word.then(|| text.to_owned())
}

fn unusable(setting: &str, value: &str) -> Problem {
    (format!("has {setting} = \"{value}\""), "names have letters, digits, - and _; no ARN, no version")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ListenerRuleSettings {
        ListenerRuleSettings {
            priority: 1,
            hosts: vec!["app.localhost".to_owned()],
            function: "hello".to_owned(),
            query: vec!["v=1*".to_owned(), "all".to_owned()],
            ..ListenerRuleSettings::default()
        }
    }

    #[test]
    fn a_rule_forwards_to_a_function() {
        let forward = forward(settings()).unwrap();
        assert_eq!((forward.function.as_str(), forward.target_group.as_str()), ("hello", "hello"));
        assert_eq!(forward.rule.query, [(Some("v".to_owned()), "1*".to_owned()), (None, "all".to_owned())]);
    }

    #[test]
    fn rules_that_would_catch_the_api_are_refused() {
        for hosts in [vec![], vec!["*"], vec!["*.*"], vec!["localhost"], vec!["127.0.0.1"], vec!["[::1]"]] {
            let hosts: Vec<String> = hosts.into_iter().map(str::to_owned).collect();
            assert!(forward(ListenerRuleSettings { hosts: hosts.clone(), ..settings() }).is_err(), "{hosts:?}");
        }
        assert!(forward(ListenerRuleSettings { priority: 0, ..settings() }).is_err());
        assert!(forward(ListenerRuleSettings { function: "arn:aws:x".to_owned(), ..settings() }).is_err());
        assert!(forward(ListenerRuleSettings { paths: vec![String::new()], ..settings() }).is_err());
    }
}
