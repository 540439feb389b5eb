//! The names of what EventBridge has: keys in the store and ARNs.

use serde::{Deserialize, Serialize};
use tindra_core::function::Scope;

use super::error::EventsError;

/// The bus that every account and region has.
pub(super) const DEFAULT_BUS: &str = "default";
/// What is followed in memory: everything that decides where an event goes.
pub(super) const FOLLOWED_PREFIX: &str = "eventbridge/on/";
/// Keys of buses.
pub(super) const BUS_PREFIX: &str = "eventbridge/on/bus/";
/// Keys of rules.
pub(super) const RULE_PREFIX: &str = "eventbridge/on/rule/";
/// Keys of archives.
pub(super) const ARCHIVE_PREFIX: &str = "eventbridge/on/archive/";

/// A bus of an account and region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct BusName {
    pub(super) scope: Scope,
    pub(super) name: String,
}

/// A kind of thing that has a name in an account and region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Archive,
    Replay,
    Connection,
    ApiDestination,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Archive => "archive",
            Self::Replay => "replay",
            Self::Connection => "connection",
            Self::ApiDestination => "api-destination",
        }
    }

    /// As messages name it.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Archive => "Archive",
            Self::Replay => "Replay",
            Self::Connection => "Connection",
            Self::ApiDestination => "ApiDestination",
        }
    }

    pub(super) fn prefix(self, scope: &Scope) -> String {
        match self {
            Self::Archive => in_scope(ARCHIVE_PREFIX, scope),
            _ => format!("eventbridge/{}/{}/{}/", self.word(), scope.account, scope.region),
        }
    }

    pub(super) fn key(self, scope: &Scope, name: &str) -> String {
        self.prefix(scope) + name
    }

    /// With what follows the word: a name, or a name and an id.
    pub(super) fn arn(self, scope: &Scope, rest: &str) -> String {
        format!("arn:aws:events:{}:{}:{}/{rest}", scope.region, scope.account, self.word())
    }

    pub(super) fn missing(self, name: &str) -> EventsError {
        EventsError::missing(format!("{} {name} does not exist.", self.title()))
    }

    pub(super) fn exists(self, name: &str) -> EventsError {
        EventsError::exists(format!("{} {name} already exists.", self.title()))
    }

    /// Whose it is, and its name, of an ARN of this kind with or without an id.
    pub(super) fn parse_arn(self, arn: &str) -> Option<(Scope, String)> {
        let (scope, rest) = split(arn)?;
        let (kind, rest) = rest.split_once('/')?;
        let name = rest.split('/').next().filter(|name| !name.is_empty())?;
        (kind == self.word()).then(|| (scope, name.to_owned()))
    }
}

impl BusName {
    pub(super) fn new(scope: &Scope, name: &str) -> Self {
        Self { scope: scope.clone(), name: name.to_owned() }
    }

    /// The bus that a request names, by its name or ARN; without one it is the default bus.
    pub(super) fn read(scope: &Scope, asked: Option<&str>) -> Result<Self, EventsError> {
        match asked {
            None => Ok(Self::new(scope, DEFAULT_BUS)),
            Some(arn) if arn.starts_with("arn:") => {
                Self::parse_arn(arn).ok_or_else(|| EventsError::invalid(format!("{arn} is no event bus's ARN.")))
            }
            Some(name) => Ok(Self::new(scope, name)),
        }
    }

    pub(super) fn parse_arn(arn: &str) -> Option<Self> {
        let (scope, rest) = split(arn)?;
        let name = rest.strip_prefix("event-bus/").filter(|name| !name.is_empty() && !name.contains('/'))?;
        Some(Self { scope, name: name.to_owned() })
    }

    pub(super) fn arn(&self) -> String {
        let Scope { account, region } = &self.scope;
        format!("arn:aws:events:{region}:{account}:event-bus/{}", self.name)
    }

    pub(super) fn key(&self) -> String {
        in_scope(BUS_PREFIX, &self.scope) + &self.name
    }

    pub(super) fn is_default(&self) -> bool {
        self.name == DEFAULT_BUS
    }

    /// What the keys of its rules begin with.
    pub(super) fn rules_prefix(&self) -> String {
        format!("{}{}/", in_scope(RULE_PREFIX, &self.scope), self.name)
    }

    pub(super) fn rule_key(&self, rule: &str) -> String {
        self.rules_prefix() + rule
    }

    pub(super) fn rule_arn(&self, rule: &str) -> String {
        let Scope { account, region } = &self.scope;
        let bus = if self.is_default() { String::new() } else { format!("{}/", self.name) };
        format!("arn:aws:events:{region}:{account}:rule/{bus}{rule}")
    }

    pub(super) fn missing(&self) -> EventsError {
        EventsError::missing(format!("Event bus {} does not exist.", self.name))
    }
}

/// The bus and the name of a rule, of its ARN.
pub(super) fn parse_rule_arn(arn: &str) -> Option<(BusName, String)> {
    let (scope, rest) = split(arn)?;
    let rest = rest.strip_prefix("rule/")?;
    let (bus, rule) = rest.split_once('/').unwrap_or((DEFAULT_BUS, rest));
    Some((BusName { scope, name: bus.to_owned() }, rule.to_owned()))
}

/// What the keys of an account and region begin with.
pub(super) fn in_scope(prefix: &str, Scope { account, region }: &Scope) -> String {
    format!("{prefix}{account}/{region}/")
}

/// Account and region of an ARN of EventBridge, and what follows them.
fn split(arn: &str) -> Option<(Scope, &str)> {
    let mut fields = arn.splitn(6, ':');
    let (head, _partition, service) = (fields.next()?, fields.next()?, fields.next()?);
    let (region, account, rest) = (fields.next()?, fields.next()?, fields.next()?);
    let is_whole = head == "arn" && service == "events" && !region.is_empty() && !account.is_empty();
    is_whole.then(|| (Scope { account: account.to_owned(), region: region.to_owned() }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        Scope { account: "123456789012".to_owned(), region: "eu-west-1".to_owned() }
    }

    #[test]
    fn arns_are_read_as_they_are_written() {
        for bus in [BusName::new(&scope(), DEFAULT_BUS), BusName::new(&scope(), "orders")] {
            assert_eq!(BusName::parse_arn(&bus.arn()), Some(bus.clone()));
            assert_eq!(parse_rule_arn(&bus.rule_arn("r")), Some((bus.clone(), "r".to_owned())));
        }
        let arn = Kind::ApiDestination.arn(&scope(), "d/0f0e");
        assert_eq!(Kind::ApiDestination.parse_arn(&arn), Some((scope(), "d".to_owned())));
        assert_eq!(Kind::Connection.parse_arn(&arn), None);
        assert_eq!(BusName::parse_arn("arn:aws:sqs:eu-west-1:123456789012:event-bus/x"), None);
    }
}
