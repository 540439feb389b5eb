//! What listens to a bus: rules and archives, ready to be matched, and ordered so that an event is not put to all of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tindra_core::event_pattern::Pattern;

use super::event::Event;
use super::records::{Archive, Rule};

/// The fields by which listeners are ordered, the more telling one first.
const FIELDS: [&str; 2] = ["source", "detail-type"];

/// Who listens.
#[derive(Clone, Debug)]
pub(super) enum Listener {
    Rule(Rule),
    Archive(Archive),
}

/// One who listens, with the pattern read.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) listener: Listener,
    /// Without one everything is for it.
    pattern: Option<Pattern>,
}

impl Live {
    /// A rule that takes events; none for one that is off or has no pattern.
    pub(super) fn rule(rule: Rule) -> Option<Self> {
        let pattern = rule.pattern.as_deref().filter(|_| rule.is_enabled)?;
        let pattern = read(pattern, &rule.arn())?;
        Some(Self { pattern: Some(pattern), listener: Listener::Rule(rule) })
    }

    pub(super) fn archive(archive: Archive) -> Option<Self> {
        let pattern = match archive.pattern.as_deref() {
            Some(pattern) => Some(read(pattern, &archive.name)?),
            None => None,
        };
        Some(Self { pattern, listener: Listener::Archive(archive) })
    }

    fn takes(&self, event: &Event) -> bool {
        self.pattern.as_ref().is_none_or(|pattern| pattern.matches(&event.value))
    }

    /// Where it is found: by a field and its values, or among those that are asked of every event.
    fn places(&self) -> Option<(usize, Vec<&str>)> {
        let pattern = self.pattern.as_ref()?;
        FIELDS.iter().enumerate().find_map(|(index, field)| Some((index, pattern.texts_of(field)?)))
    }
}

/// They were read when they were put; one that a newer tindra has put may be beyond this one.
fn read(pattern: &str, whose: &str) -> Option<Pattern> {
    match Pattern::parse(pattern) {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            tracing::error!(%error, whose, "a pattern cannot be read; nothing matches it");
            None
        }
    }
}

/// All who listen to one bus.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    all: BTreeMap<String, Arc<Live>>,
    /// For each of the fields, the keys by a value.
    placed: [HashMap<String, HashSet<String>>; FIELDS.len()],
    /// Keys of the others.
    rest: HashSet<String>,
}

impl Listeners {
    pub(super) fn put(&mut self, key: &str, live: Option<Live>) {
        if let Some(before) = self.all.remove(key) {
            self.displace(key, &before);
        }
        let Some(live) = live else { return };
        match live.places() {
            Some((index, values)) => {
                for value in values {
                    self.placed[index].entry(value.to_owned()).or_default().insert(key.to_owned());
                }
            }
            None => {
                self.rest.insert(key.to_owned());
            }
        }
        self.all.insert(key.to_owned(), Arc::new(live));
    }

    fn displace(&mut self, key: &str, live: &Live) {
        let Some((index, values)) = live.places() else {
            self.rest.remove(key);
            return;
        };
        for value in values {
            let Some(keys) = self.placed[index].get_mut(value) else { continue };
            keys.remove(key);
            if keys.is_empty() {
                self.placed[index].remove(value);
            }
        }
    }

    /// Those that an event is for, in the order of their keys.
    pub(super) fn matching(&self, event: &Event) -> Vec<Arc<Live>> {
        let placed = FIELDS.iter().zip(&self.placed).filter_map(|(field, placed)| placed.get(event.member(field)));
        let mut keys: Vec<&String> = placed.flatten().chain(&self.rest).collect();
        keys.sort_unstable();
        let lives = keys.into_iter().filter_map(|key| self.all.get(key));
        lives.filter(|live| live.takes(event)).cloned().collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use tindra_core::function::Scope;

    use super::super::names::BusName;
    use super::*;

    fn rule(name: &str, pattern: &str) -> Rule {
        let scope = Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() };
        serde_json::from_value(json!({
            "bus": BusName::new(&scope, "default"), "name": name, "pattern": pattern, "is_enabled": true,
        }))
        .unwrap()
    }

    fn patterns() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            Just(json!("a")),
            Just(json!("b")),
            Just(json!({"prefix": "a"})),
            Just(json!({"exists": false}))
        ];
        let values = prop::collection::vec(value, 1..3);
        let fields = prop::sample::subsequence(vec!["source", "detail-type", "id"], 1..3);
        (fields, prop::collection::vec(values, 3)).prop_map(|(fields, values)| {
            let pattern: serde_json::Map<_, _> =
                fields.into_iter().zip(values).map(|(field, values)| (field.to_owned(), json!(values))).collect();
            serde_json::Value::Object(pattern).to_string()
        })
    }

    proptest! {
        #[test]
        fn the_order_hides_none_that_matches(
            steps in prop::collection::vec((0_u8..6, prop::option::of(patterns())), 1..30),
            source in "[abc]",
            detail_type in prop::option::of("[abc]"),
        ) {
            let mut listeners = Listeners::default();
            let mut plain = BTreeMap::new();
            for (name, pattern) in steps {
                let key = name.to_string();
                let live = || pattern.as_ref().and_then(|pattern| Live::rule(rule(&key, pattern)));
                listeners.put(&key, live());
                plain.remove(&key);
                plain.extend(live().map(|live| (key.clone(), live)));
            }
            let mut event = json!({"source": source, "id": "a"});
            if let Some(detail_type) = detail_type {
                event["detail-type"] = detail_type.into();
            }
            let event = Event::new(event, 0);
            let name = |live: &Live| match &live.listener {
                Listener::Rule(rule) => rule.name.clone(),
                Listener::Archive(archive) => archive.name.clone(),
            };
            let found: Vec<String> = listeners.matching(&event).iter().map(|live| name(live)).collect();
            let expected: Vec<String> = plain.values().filter(|live| live.takes(&event)).map(name).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
