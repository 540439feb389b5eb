//! Notifications: who is told of what happens to a bucket's objects.

mod configure;
mod events;

use serde::{Deserialize, Serialize};
use tindra_core::push::{Push, PushError};
use tindra_store::BoxFuture;

pub(crate) use configure::tell;
pub(crate) use events::Happening;

/// Asks those whom buckets are to tell.
pub trait Destinations: Send + Sync + std::fmt::Debug {
    /// Whether a target is there and lets the bucket in.
    ///
    /// # Errors
    /// Why it would not take what it is told.
    fn admit<'a>(&'a self, push: &'a Push) -> BoxFuture<'a, Result<(), PushError>>;
}

/// Whom a bucket tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Notifications {
    #[serde(default)]
    pub(crate) rules: Vec<Rule>,
    /// Whether everything is told to the account's default bus.
    #[serde(default)]
    pub(crate) event_bridge: bool,
}

/// What a target is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum TargetKind {
    Function,
    Queue,
    Topic,
}

/// What is told to one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) kind: TargetKind,
    pub(crate) arn: String,
    /// For example `s3:ObjectCreated:*`.
    pub(crate) events: Vec<String>,
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    #[serde(default)]
    pub(crate) suffix: Option<String>,
}

impl Rule {
    /// Whether it is about an event, without `s3:`, of a key.
    fn matches(&self, event: &str, key: &str) -> bool {
        self.events.iter().any(|named| covers(named, event))
            && key.starts_with(self.prefix.as_deref().unwrap_or_default())
            && key.ends_with(self.suffix.as_deref().unwrap_or_default())
    }

    /// Whether some event of some key would be told by both.
    fn overlaps(&self, other: &Self) -> bool {
        let events = self.events.iter().any(|one| {
            other
                .events
                .iter()
                .any(|two| one == two || covers(one, &two[3.min(two.len())..]) || covers(two, &one[3.min(one.len())..]))
        });
        let prefixes = (self.prefix.as_deref().unwrap_or_default(), other.prefix.as_deref().unwrap_or_default());
        let suffixes = (self.suffix.as_deref().unwrap_or_default(), other.suffix.as_deref().unwrap_or_default());
        events
            && (prefixes.0.starts_with(prefixes.1) || prefixes.1.starts_with(prefixes.0))
            && (suffixes.0.ends_with(suffixes.1) || suffixes.1.ends_with(suffixes.0))
    }
}

/// Whether a name as `s3:ObjectCreated:*` stands for an event as `ObjectCreated:Put`.
fn covers(named: &str, event: &str) -> bool {
    let named = named.strip_prefix("s3:").unwrap_or(named);
    match named.strip_suffix('*') {
        Some(start) => event.starts_with(start),
        None => named == event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(event: &str, prefix: &str, suffix: &str) -> Rule {
        Rule {
            id: "r".to_owned(),
            kind: TargetKind::Queue,
            arn: "arn".to_owned(),
            events: vec![event.to_owned()],
            prefix: Some(prefix.to_owned()),
            suffix: Some(suffix.to_owned()),
        }
    }

    #[test]
    fn rules_are_about_events_of_keys() {
        let rule = rule("s3:ObjectCreated:*", "in/", ".jpg");
        assert!(rule.matches("ObjectCreated:Put", "in/a.jpg"));
        assert!(!rule.matches("ObjectRemoved:Delete", "in/a.jpg"));
        assert!(!rule.matches("ObjectCreated:Copy", "out/a.jpg") && !rule.matches("ObjectCreated:Copy", "in/a.png"));
    }

    #[test]
    fn rules_overlap_that_would_tell_the_same_twice() {
        let all = rule("s3:ObjectCreated:*", "", "");
        assert!(all.overlaps(&rule("s3:ObjectCreated:Put", "a/", ".b")));
        assert!(!all.overlaps(&rule("s3:ObjectRemoved:*", "", "")));
        assert!(!rule("s3:ObjectCreated:*", "a/", "").overlaps(&rule("s3:ObjectCreated:*", "b/", "")));
        assert!(rule("s3:ObjectCreated:*", "a/", ".x").overlaps(&rule("s3:ObjectCreated:*", "a/b", "y.x")));
    }
}
