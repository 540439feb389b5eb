//! Rules: which events, or which times, are for their targets.

use serde::Deserialize;
use serde_json::{Value, json};
use tindra_core::event_pattern::Pattern;
use tindra_core::function::Scope;
use tindra_core::schedule::Schedule;
use tindra_store::{Batch, JsonRecords as _, Versioned};

use super::EventBridgeService;
use super::error::EventsError;
use super::names::BusName;
use super::page::PageRequest;
use super::records::{DISABLED, ENABLED, Rule, Tags};
use super::tags::{Tag, merged};
use super::timers::timer_key;

/// Rules of one bus. AWS gives 300 and more on request; this is where listing a bus becomes a burden.
const RULES_MAX: usize = 10_000;
/// Of a pattern's text (AWS).
const PATTERN_BYTES_MAX: usize = 4_096;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PutRuleRequest {
    name: String,
    schedule_expression: Option<String>,
    event_pattern: Option<String>,
    state: Option<String>,
    description: Option<String>,
    role_arn: Option<String>,
    #[serde(default)]
    tags: Vec<Tag>,
    event_bus_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct RuleRequest {
    pub(super) name: String,
    pub(super) event_bus_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListRulesRequest {
    name_prefix: Option<String>,
    event_bus_name: Option<String>,
    #[serde(flatten)]
    page: PageRequest,
}

impl PutRuleRequest {
    fn check(&self, bus: &BusName) -> Result<(), EventsError> {
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        if !given(&self.event_pattern) && !given(&self.schedule_expression) {
            return Err(EventsError::invalid("Parameter(s) EventPattern or ScheduleExpression must be specified."));
        }
        if let Some(schedule) = self.schedule_expression.as_ref().filter(|text| !text.is_empty()) {
            if !bus.is_default() {
                return Err(EventsError::invalid("ScheduleExpression is supported only on the default event bus."));
            }
            match Schedule::parse(schedule) {
                Ok(Schedule::Rate(_) | Schedule::Cron(_)) => {}
                _ => return Err(EventsError::invalid("Parameter ScheduleExpression is not valid.")),
            }
        }
        if let Some(pattern) = self.event_pattern.as_ref().filter(|text| !text.is_empty()) {
            check_pattern(pattern)?;
        }
        match self.state.as_deref() {
            None | Some(ENABLED | DISABLED) => Ok(()),
            Some(state) => Err(EventsError::unsupported(&format!("the state {state}: there is no CloudTrail here"))),
        }
    }
}

/// Refuses what is no pattern.
pub(super) fn check_pattern(pattern: &str) -> Result<(), EventsError> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(EventsError::pattern(format!("it is longer than {PATTERN_BYTES_MAX} bytes")));
    }
    Pattern::parse(pattern).map(drop).map_err(EventsError::pattern)
}

impl EventBridgeService {
    pub(super) async fn put_rule(&self, scope: &Scope, request: PutRuleRequest) -> Result<Value, EventsError> {
        let bus = self.own_bus(scope, request.event_bus_name.as_deref())?;
        request.check(&bus)?;
        self.bus(&bus).await?;
        let text = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let mut rule = Rule {
            name: request.name.clone(),
            pattern: text(&request.event_pattern),
            schedule: text(&request.schedule_expression),
            is_enabled: request.state.as_deref() != Some(DISABLED),
            description: request.description.clone(),
            role_arn: request.role_arn.clone(),
            tags: Tags::new(),
            targets: Vec::new(),
            bus: bus.clone(),
        };
        let key = rule.key();
        loop {
            let before: Option<Versioned<Rule>> = self.around.store.metadata.get_json(&key).await?;
            match &before {
                // Tags are those of the rule that is there (AWS).
                Some(before) => {
                    rule.tags.clone_from(&before.value.tags);
                    rule.targets.clone_from(&before.value.targets);
                }
                None => {
                    rule.tags = merged(Tags::new(), request.tags.clone())?;
                    rule.targets.clear();
                    if self.table.rules_of(&bus) >= RULES_MAX {
                        return Err(EventsError::limit());
                    }
                }
            }
            let beside = self.timed(before.as_ref().map(|before| &before.value), &rule);
            let revision = before.map_or(0, |before| before.revision);
            let record = Versioned { key: key.clone(), value: &rule, revision };
            if self.write(&record, beside).await? {
                return Ok(json!({ "RuleArn": rule.arn() }));
            }
        }
    }

    pub(super) async fn delete_rule(&self, scope: &Scope, request: RuleRequest) -> Result<Value, EventsError> {
        let bus = self.own_bus(scope, request.event_bus_name.as_deref())?;
        loop {
            let rule: Option<Versioned<Rule>> =
                self.around.store.metadata.get_json(&bus.rule_key(&request.name)).await?;
            // One that is not there is deleted.
            let Some(rule) = rule else { return self.bus(&bus).await.map(|_| json!({})) };
            if !rule.value.targets.is_empty() {
                return Err(EventsError::invalid("Rule can't be deleted since it has targets."));
            }
            let timer = Batch::default().delete(timer_key(&rule.value), tindra_store::Precondition::None);
            if self.remove(&rule.key, rule.revision, timer).await? {
                return Ok(json!({}));
            }
        }
    }

    pub(super) async fn describe_rule(&self, scope: &Scope, request: RuleRequest) -> Result<Value, EventsError> {
        let bus = self.own_bus(scope, request.event_bus_name.as_deref())?;
        let rule = self.rule(&bus, &request.name).await?.value;
        let mut shown = shown(&rule);
        shown["CreatedBy"] = bus.scope.account.into();
        Ok(shown)
    }

    pub(super) async fn list_rules(&self, scope: &Scope, request: ListRulesRequest) -> Result<Value, EventsError> {
        let bus = self.own_bus(scope, request.event_bus_name.as_deref())?;
        self.bus(&bus).await?;
        let prefix = request.name_prefix.unwrap_or_default();
        let rules = self.rules_of(&bus).await?.into_iter().filter(|rule| rule.name.starts_with(&prefix));
        request.page.cut("Rules", rules.map(|rule| (rule.name.clone(), shown(&rule))))
    }

    pub(super) async fn switch_rule(
        &self,
        scope: &Scope,
        request: RuleRequest,
        is_enabled: bool,
    ) -> Result<Value, EventsError> {
        let bus = self.own_bus(scope, request.event_bus_name.as_deref())?;
        self.change_rule(&bus, &request.name, |rule| {
            rule.is_enabled = is_enabled;
            Ok(())
        })
        .await?;
        Ok(json!({}))
    }

    /// The bus that a request names, which must be of its own account and region.
    pub(super) fn own_bus(&self, scope: &Scope, asked: Option<&str>) -> Result<BusName, EventsError> {
        let bus = BusName::read(scope, asked)?;
        if bus.scope == *scope { Ok(bus) } else { Err(bus.missing()) }
    }
}

fn shown(rule: &Rule) -> Value {
    let mut shown = json!({
        "Name": rule.name, "Arn": rule.arn(), "State": rule.state(), "EventBusName": rule.bus.name,
    });
    let members = [
        ("EventPattern", &rule.pattern),
        ("ScheduleExpression", &rule.schedule),
        ("Description", &rule.description),
        ("RoleArn", &rule.role_arn),
    ];
    for (name, member) in members {
        if let Some(member) = member {
            shown[name] = member.as_str().into();
        }
    }
    shown
}
