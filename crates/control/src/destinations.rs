//! Where records of invokes go: destinations and dead-letter queues, by the ARN alone.
//!
//! Functions are looked up; whether a queue, topic, bucket or bus exists is found out when a record is sent.

use tindra_core::function::Scope;
use tindra_core::name::{FunctionName, NameError};
use tindra_model::lambda::event_invoke_config::DestinationConfig;

use crate::Control;
use crate::error::ControlError;

/// A kind of destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DestinationKind {
    /// An SQS queue.
    Queue,
    /// An SNS topic.
    Topic,
    /// Another function.
    Function,
    /// An EventBridge bus.
    EventBus,
    /// An S3 bucket.
    Bucket,
    /// `kafka://TOPIC`: a topic of the cluster that the records came from.
    KafkaTopic,
}

impl DestinationKind {
    /// The kind that a text names.
    pub(crate) fn of(text: &str) -> Option<Self> {
        if text.starts_with("kafka://") {
            return Some(Self::KafkaTopic);
        }
        let mut parts = text.splitn(6, ':');
        let service = parts.nth(2)?;
        let (region, resource) = (parts.next()?, parts.nth(1)?);
        let is_regional = !region.is_empty() && !resource.is_empty();
        match service {
            "sqs" if is_regional => Some(Self::Queue),
            "sns" if is_regional => Some(Self::Topic),
            "lambda" if resource.starts_with("function:") => Some(Self::Function),
            "events" if resource.starts_with("event-bus/") => Some(Self::EventBus),
            "s3" if region.is_empty() && !resource.is_empty() => Some(Self::Bucket),
            _ => None,
        }
    }
}

/// The two destinations of a request; an empty text names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Destinations {
    pub(crate) on_success: Option<String>,
    pub(crate) on_failure: Option<String>,
}

impl Destinations {
    /// Reads and checks both against the kinds that are allowed.
    pub(crate) fn read(
        config: &DestinationConfig,
        on_success: &[DestinationKind],
        on_failure: &[DestinationKind],
    ) -> Result<Self, ControlError> {
        let named = |text: Option<&String>| text.filter(|text| !text.is_empty()).cloned();
        let destinations = Self {
            on_success: named(config.on_success.as_ref().and_then(|side| side.destination.as_ref())),
            on_failure: named(config.on_failure.as_ref().and_then(|side| side.destination.as_ref())),
        };
        let fits = |text: Option<&String>, kinds: &[DestinationKind]| {
            text.is_none_or(|text| DestinationKind::of(text).is_some_and(|kind| kinds.contains(&kind)))
        };
        match fits(destinations.on_success.as_ref(), on_success) && fits(destinations.on_failure.as_ref(), on_failure) {
            true => Ok(destinations),
            false => Err(destinations.invalid()),
        }
    }

    fn invalid(&self) -> ControlError {
        let side = |name: &str, text: Option<&String>| {
            text.map_or_else(|| "null".to_owned(), |text| format!("{name}(destination={text})"))
        };
        ControlError::Invalid(format!(
            "The provided destination config DestinationConfig(onSuccess={}, onFailure={}) is invalid.",
            side("OnSuccess", self.on_success.as_ref()),
            side("OnFailure", self.on_failure.as_ref()),
        ))
    }
}

/// `DeadLetterConfig.TargetArn` of a request: none for an empty one, which takes the target away.
pub(crate) fn dead_letter_target(text: Option<&str>) -> Result<Option<String>, ControlError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    match DestinationKind::of(text) {
        Some(DestinationKind::Queue | DestinationKind::Topic) => Ok(Some(text.to_owned())),
        _ => Err(ControlError::Invalid(format!(
            "The dead-letter target {text} is invalid. Specify the ARN of an SQS queue or an SNS topic."
        ))),
    }
}

impl Control {
    /// Refuses functions that do not exist, and the function itself, as destinations.
    pub(crate) async fn check_function_destinations(
        &self,
        scope: &Scope,
        function: &str,
        destinations: &Destinations,
    ) -> Result<(), ControlError> {
        for text in destinations.on_success.iter().chain(&destinations.on_failure) {
            if DestinationKind::of(text) != Some(DestinationKind::Function) {
                continue;
            }
            let invalid = || ControlError::Invalid(format!("The destination ARN {text} is invalid."));
            let name = FunctionName::read(text, None, scope).map_err(|_| invalid())?;
            if name.name == function {
                let message = "You can't specify the function as a destination for itself.";
                return Err(ControlError::invalid(message));
            }
            match self.find(scope, &name).await {
                Ok(_) => {}
                Err(ControlError::Name(NameError::NotFound { .. })) => return Err(invalid()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{DestinationKind, dead_letter_target};

    #[test]
    fn arns_tell_the_kind() {
        for (text, kind) in [
            ("arn:aws:sqs:eu-west-1:123456789012:jobs", Some(DestinationKind::Queue)),
            ("arn:aws:sns:eu-west-1:123456789012:news", Some(DestinationKind::Topic)),
            ("arn:aws:lambda:eu-west-1:123456789012:function:other:live", Some(DestinationKind::Function)),
            ("arn:aws:events:eu-west-1:123456789012:event-bus/main", Some(DestinationKind::EventBus)),
            ("arn:aws:s3:::bucket", Some(DestinationKind::Bucket)),
            ("kafka://dead", Some(DestinationKind::KafkaTopic)),
            ("arn:aws:iam:eu-west-1:123456789012:function:thing", None),
            ("arn:aws:sqs:::jobs", None),
            ("arn:aws:lambda:eu-west-1:123456789012:layer:l", None),
        ] {
            assert_eq!(DestinationKind::of(text), kind, "{text}");
        }
    }

    #[test]
    fn dead_letters_go_to_queues_and_topics() {
        let queue = "arn:aws:sqs:eu-west-1:123456789012:jobs";
        assert_eq!(dead_letter_target(Some(queue)).unwrap().as_deref(), Some(queue));
        assert_eq!(dead_letter_target(Some("")).unwrap(), None);
        assert_eq!(dead_letter_target(None).unwrap(), None);
        assert!(dead_letter_target(Some("arn:aws:s3:::bucket")).is_err());
    }
}
