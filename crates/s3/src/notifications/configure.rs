//! PutBucketNotificationConfiguration and its reading.

use s3s::dto::{
    EventBridgeConfiguration, FilterRule, FilterRuleName, GetBucketNotificationConfigurationOutput,
    LambdaFunctionConfiguration, NotificationConfigurationFilter, PutBucketNotificationConfigurationInput,
    QueueConfiguration, S3KeyFilter, TopicConfiguration,
};
use s3s::{S3Result, s3_error};
use tindra_core::clock::UnixMs;
use uuid::Uuid;

use super::events::{push_to, test_message};
use super::{Notifications, Rule, TargetKind};
use crate::failure;
use crate::record::Bucket;
use crate::service::S3Service;
use crate::visitor::{Asking, Visitor};

/// Events that there are here.
const EVENTS: [&str; 11] = [
    "s3:ObjectCreated:*",
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Post",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:CompleteMultipartUpload",
    "s3:ObjectRemoved:*",
    "s3:ObjectRemoved:Delete",
    "s3:ObjectRemoved:DeleteMarkerCreated",
    "s3:ObjectTagging:*",
    "s3:ObjectTagging:Put",
    "s3:ObjectTagging:Delete",
];
/// Events that AWS has besides: of what is not here.
const EVENTS_OF_OTHERS: [&str; 7] = [
    "s3:ObjectRestore:",
    "s3:ReducedRedundancyLostObject",
    "s3:Replication:",
    "s3:LifecycleTransition",
    "s3:LifecycleExpiration:",
    "s3:IntelligentTiering",
    "s3:ObjectAcl:",
];
/// Of a bucket (AWS).
const RULES_MAX: usize = 100;

impl S3Service {
    pub(crate) async fn put_notifications(
        &self,
        asking: &Asking,
        input: PutBucketNotificationConfigurationInput,
    ) -> S3Result<()> {
        let owner = input.expected_bucket_owner.as_deref();
        let given = input.notification_configuration;
        let of_functions = given
            .lambda_function_configurations
            .unwrap_or_default()
            .into_iter()
            .map(|one| rule(TargetKind::Function, one.lambda_function_arn, one.events, one.filter, one.id));
        let of_queues = given
            .queue_configurations
            .unwrap_or_default()
            .into_iter()
            .map(|one| rule(TargetKind::Queue, one.queue_arn, one.events, one.filter, one.id));
        let of_topics = given
            .topic_configurations
            .unwrap_or_default()
            .into_iter()
            .map(|one| rule(TargetKind::Topic, one.topic_arn, one.events, one.filter, one.id));
        let rules = of_functions.chain(of_queues).chain(of_topics).collect::<S3Result<Vec<Rule>>>()?;
        let told = Notifications { rules, event_bridge: given.event_bridge_configuration.is_some() };
        let now_ms = self.now_ms();
        if !input.skip_destination_validation.unwrap_or_default() {
            let bucket = self.bucket_of(&input.bucket, owner, &asking.visitor).await?;
            check(&told, &bucket)?;
            self.ask_destinations(&bucket, &asking.visitor, &told, now_ms).await?;
        }
        self.configure(asking, &input.bucket, owner, |bucket| {
            check(&told, bucket)?;
            let before = std::mem::replace(&mut bucket.notifications, told.clone());
            let new = told.rules.iter().filter(|rule| !before.rules.contains(rule));
            let tested = new.filter(|rule| rule.kind != TargetKind::Function);
            Ok(tested.map(|rule| test_message(bucket, &asking.visitor, rule.kind, &rule.arn, now_ms)).collect())
        })
        .await
    }

    /// Refuses targets that are not there or do not let the bucket in. Those that were told before are not asked again.
    async fn ask_destinations(
        &self,
        bucket: &Bucket,
        visitor: &Visitor,
        told: &Notifications,
        now_ms: UnixMs,
    ) -> S3Result<()> {
        let Some(destinations) = self.destinations() else { return Ok(()) };
        let mut problems = Vec::new();
        for rule in told.rules.iter().filter(|rule| !bucket.notifications.rules.contains(rule)) {
            let push = push_to(bucket, visitor, rule.kind, &rule.arn, now_ms);
            problems.extend(destinations.admit(&push).await.err().map(|error| error.message));
        }
        if problems.is_empty() {
            return Ok(());
        }
        let problems = problems.join("; ");
        Err(failure::invalid(format!("Unable to validate the following destination configurations: {problems}")))
    }
}

fn rule(
    kind: TargetKind,
    arn: String,
    events: Vec<s3s::dto::Event>,
    filter: Option<NotificationConfigurationFilter>,
    id: Option<String>,
) -> S3Result<Rule> {
    let events: Vec<String> = events.into_iter().map(String::from).collect();
    for event in &events {
        if EVENTS_OF_OTHERS.iter().any(|other| event.starts_with(other)) {
            return Err(failure::not_here(
                &format!("The event {event}"),
                "leave it out: what it tells of does not happen here",
            ));
        }
        if !EVENTS.contains(&event.as_str()) {
            return Err(failure::invalid("The event is not supported for notifications"));
        }
    }
    let mut rule = Rule {
        id: id.filter(|id| !id.is_empty()).unwrap_or_else(|| Uuid::new_v4().to_string()),
        kind,
        arn,
        events,
        prefix: None,
        suffix: None,
    };
    for FilterRule { name, value } in filter.and_then(|filter| filter.key?.filter_rules).unwrap_or_default() {
        let slot = match name.as_ref().map(|name| name.as_str().to_ascii_lowercase()).as_deref() {
            Some("prefix") => &mut rule.prefix,
            Some("suffix") => &mut rule.suffix,
            _ => return Err(failure::invalid("filter rule name must be either prefix or suffix")),
        };
        if slot.replace(value.unwrap_or_default()).is_some() {
            return Err(failure::invalid("Cannot specify more than one prefix or suffix rule in a filter."));
        }
    }
    Ok(rule)
}

fn check(told: &Notifications, bucket: &Bucket) -> S3Result<()> {
    if told.rules.len() > RULES_MAX {
        return Err(s3_error!(InvalidRequest, "A bucket can have at most 100 notification configurations"));
    }
    for (index, rule) in told.rules.iter().enumerate() {
        check_arn(rule, bucket)?;
        for other in &told.rules[..index] {
            if other.id == rule.id {
                return Err(failure::invalid("Same ID used for multiple configurations. IDs must be unique."));
            }
            if other.overlaps(rule) {
                return Err(failure::invalid(
                    "Configuration is ambiguously defined. Cannot have overlapping suffixes in two rules if the prefixes are overlapping for the same event type.",
                ));
            }
        }
    }
    Ok(())
}

/// Whether an ARN can be one of such a target.
fn check_arn(rule: &Rule, bucket: &Bucket) -> S3Result<()> {
    let parts: Vec<&str> = rule.arn.split(':').collect();
    let service = match rule.kind {
        TargetKind::Function => "lambda",
        TargetKind::Queue => "sqs",
        TargetKind::Topic => "sns",
    };
    let [arn, _, of, region, account, name, ..] = parts[..] else {
        return Err(failure::invalid("The ARN could not be parsed"));
    };
    if arn != "arn" || of != service || account.is_empty() || name.is_empty() {
        return Err(failure::invalid("The ARN is not well formed"));
    }
    if rule.kind != TargetKind::Function && name.ends_with(".fifo") {
        return Err(failure::invalid("FIFO queues and topics are not supported as destinations of notifications"));
    }
    if region != bucket.scope.region {
        return Err(failure::invalid(
            "The notification destination service region is not valid for the bucket location constraint",
        ));
    }
    Ok(())
}

/// As it was put.
pub(crate) fn tell(told: &Notifications) -> GetBucketNotificationConfigurationOutput {
    let (mut functions, mut queues, mut topics) = (Vec::new(), Vec::new(), Vec::new());
    for rule in &told.rules {
        let events = rule.events.iter().cloned().map(s3s::dto::Event::from).collect();
        let (filter, id, arn) = (filter(rule), Some(rule.id.clone()), rule.arn.clone());
        match rule.kind {
            TargetKind::Function => {
                functions.push(LambdaFunctionConfiguration { events, filter, id, lambda_function_arn: arn });
            }
            TargetKind::Queue => queues.push(QueueConfiguration { events, filter, id, queue_arn: arn }),
            TargetKind::Topic => topics.push(TopicConfiguration { events, filter, id, topic_arn: arn }),
        }
    }
    GetBucketNotificationConfigurationOutput {
        event_bridge_configuration: told.event_bridge.then(EventBridgeConfiguration::default),
        lambda_function_configurations: (!functions.is_empty()).then_some(functions),
        queue_configurations: (!queues.is_empty()).then_some(queues),
        topic_configurations: (!topics.is_empty()).then_some(topics),
    }
}

fn filter(rule: &Rule) -> Option<NotificationConfigurationFilter> {
    let filter = |name: &'static str, value: &Option<String>| {
        let value = value.clone()?;
        Some(FilterRule { name: Some(FilterRuleName::from_static(name)), value: Some(value) })
    };
    let rules: Vec<FilterRule> =
        [filter("Prefix", &rule.prefix), filter("Suffix", &rule.suffix)].into_iter().flatten().collect();
    (!rules.is_empty())
        .then_some(NotificationConfigurationFilter { key: Some(S3KeyFilter { filter_rules: Some(rules) }) })
}
