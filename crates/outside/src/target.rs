//! Where something is to go: an ARN, taken apart as far as requests need it.

use super::{OutsideError, OutsideService};

/// An ARN of a service that is delivered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    pub(super) arn: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    /// What stands after the account.
    pub(super) resource: &'a str,
}

impl<'a> Target<'a> {
    /// Reads the ARN of a standard queue or topic.
    pub(super) fn standard(arn: &'a str, service: OutsideService) -> Result<Self, OutsideError> {
        let target = Self::read(arn, service)?;
        if target.resource.ends_with(".fifo") {
            return Err(unsupported(arn, "it is a FIFO queue or topic; name a standard one"));
        }
        match target.resource.contains([':', '/']) {
            true => Err(unsupported(arn, "it is no queue or topic; name the ARN of one")),
            false => Ok(target),
        }
    }

    /// Reads an ARN of the service.
    pub(super) fn read(arn: &'a str, service: OutsideService) -> Result<Self, OutsideError> {
        let parts: Vec<&str> = arn.splitn(6, ':').collect();
        match parts[..] {
            ["arn", partition, name, region, account, resource]
                if name == service.signing_name()
                    && ![partition, region, account, resource].iter().any(|part| part.is_empty()) =>
            {
                Ok(Self { arn, region, account, resource })
            }
            _ => Err(unsupported(arn, "it is not an ARN of the service; write arn:aws:SERVICE:REGION:ACCOUNT:NAME")),
        }
    }
}

fn unsupported(arn: &str, reason: &'static str) -> OutsideError {
    OutsideError::Unsupported { target: arn.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_taken_apart() {
        let arn = "arn:aws-cn:sqs:cn-north-1:123456789012:jobs";
        let target = Target::standard(arn, OutsideService::Sqs).unwrap();
        assert_eq!((target.region, target.account, target.resource), ("cn-north-1", "123456789012", "jobs"));
        let bus = "arn:aws:events:eu-west-1:123456789012:event-bus/a.fifo";
        assert_eq!(Target::read(bus, OutsideService::EventBridge).unwrap().resource, "event-bus/a.fifo");
    }

    #[test]
    fn what_cannot_be_delivered_to_is_told() {
        for (arn, part) in [
            ("arn:aws:sqs:eu-west-1:123456789012:jobs.fifo", "standard"),
            ("arn:aws:sns:eu-west-1:123456789012:jobs", "not an ARN"),
            ("arn:aws:sqs:eu-west-1:123456789012:jobs:more", "no queue"),
            ("arn:aws:sqs:eu-west-1::jobs", "not an ARN"),
            ("arn:aws:sqs:eu-west-1:123456789012:", "not an ARN"),
            ("jobs", "not an ARN"),
            ("", "not an ARN"),
        ] {
            let error = Target::standard(arn, OutsideService::Sqs).unwrap_err();
            assert!(error.to_string().contains(part) && !error.is_passing(), "{error}");
        }
    }
}
