//! Tags of rules and buses.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::function::Scope;

use super::EventBridgeService;
use super::error::EventsError;
use super::names::{BusName, parse_rule_arn};
use super::records::Tags;

/// Tags of one thing (AWS).
const TAGS_MAX: usize = 50;

/// One tag.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Tag {
    key: String,
    value: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct TagRequest {
    #[serde(rename = "ResourceARN")]
    resource_arn: String,
    #[serde(rename = "Tags", default)]
    tags: Vec<Tag>,
    #[serde(rename = "TagKeys", default)]
    keys: Vec<String>,
}

/// What has tags.
enum Tagged {
    Rule(BusName, String),
    Bus(BusName),
}

/// Tags with some more.
pub(super) fn merged(mut tags: Tags, more: Vec<Tag>) -> Result<Tags, EventsError> {
    for Tag { key, value } in more {
        if key.starts_with("aws:") {
            return Err(EventsError::invalid("Tag keys must not begin with aws:, which is reserved."));
        }
        tags.insert(key, value);
    }
    if tags.len() > TAGS_MAX { Err(EventsError::limit()) } else { Ok(tags) }
}

impl Tagged {
    fn read(scope: &Scope, arn: &str) -> Result<Self, EventsError> {
        let rule = parse_rule_arn(arn).map(|(bus, rule)| Self::Rule(bus, rule));
        let tagged = rule.or_else(|| BusName::parse_arn(arn).map(Self::Bus));
        let is_own = |tagged: &Self| match tagged {
            Self::Rule(bus, _) | Self::Bus(bus) => bus.scope == *scope,
        };
        tagged
            .filter(is_own)
            .ok_or_else(|| EventsError::missing(format!("{arn} is no rule or event bus of this account and region.")))
    }
}

impl EventBridgeService {
    pub(super) async fn list_tags(&self, scope: &Scope, request: TagRequest) -> Result<Value, EventsError> {
        let tags = match Tagged::read(scope, &request.resource_arn)? {
            Tagged::Rule(bus, rule) => self.rule(&bus, &rule).await?.value.tags,
            Tagged::Bus(bus) => self.bus(&bus).await?.value.tags,
        };
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({ "Key": key, "Value": value })).collect();
        Ok(json!({ "Tags": tags }))
    }

    pub(super) async fn tag(&self, scope: &Scope, request: TagRequest) -> Result<Value, EventsError> {
        self.edit_tags(scope, &request.resource_arn, |tags| merged(tags, request.tags.clone())).await
    }

    pub(super) async fn untag(&self, scope: &Scope, request: TagRequest) -> Result<Value, EventsError> {
        self.edit_tags(scope, &request.resource_arn, |mut tags| {
            tags.retain(|key, _| !request.keys.contains(key));
            Ok(tags)
        })
        .await
    }

    async fn edit_tags(
        &self,
        scope: &Scope,
        arn: &str,
        edit: impl Fn(Tags) -> Result<Tags, EventsError>,
    ) -> Result<Value, EventsError> {
        match Tagged::read(scope, arn)? {
            Tagged::Rule(bus, name) => {
                self.change_rule(&bus, &name, |rule| {
                    rule.tags = edit(std::mem::take(&mut rule.tags))?;
                    Ok(())
                })
                .await?;
            }
            Tagged::Bus(name) => {
                self.change_bus(&name, |bus| {
                    bus.tags = edit(std::mem::take(&mut bus.tags))?;
                    Ok(())
                })
                .await?;
            }
        }
        Ok(json!({}))
    }
}
