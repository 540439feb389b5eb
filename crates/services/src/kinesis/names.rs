//! How streams, shards and consumers are called: ARNs, ids, and their keys and journals in the store.

use serde::Deserialize;
use tindra_core::function::Scope;
use tindra_model::ApiError;
use uuid::Uuid;

use super::error::invalid;

/// The ARN of a stream.
#[must_use]
pub fn stream_arn(scope: &Scope, name: &str) -> String {
    format!("arn:aws:kinesis:{}:{}:stream/{name}", scope.region, scope.account)
}

/// Whose a stream is and how it is called, from its ARN or from that of a consumer of it.
#[must_use]
pub fn of_arn(arn: &str) -> Option<(Scope, &str)> {
    let mut fields = arn.splitn(6, ':');
    let (begin, _, service) = (fields.next()?, fields.next()?, fields.next()?);
    let (region, account) = (fields.next()?.to_owned(), fields.next()?.to_owned());
    let name = fields.next()?.strip_prefix("stream/")?.split('/').next()?;
    (begin == "arn" && service == "kinesis" && !name.is_empty()).then_some((Scope { account, region }, name))
}

/// The consumer of an ARN `…:stream/STREAM/consumer/NAME:CREATED`: its name, and when it was made, in seconds since 1970.
pub(super) fn consumer_of_arn(arn: &str) -> Option<(&str, u64)> {
    let (name, created_s) = arn.split_once("/consumer/")?.1.split_once(':')?;
    Some((name, created_s.parse().ok()?))
}

/// Which stream a request is about: by ARN, by name, or by both.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Named {
    #[serde(rename = "StreamName")]
    name: Option<String>,
    #[serde(rename = "StreamARN")]
    arn: Option<String>,
}

impl Named {
    /// The one with an ARN.
    pub(super) fn by_arn(arn: &str) -> Self {
        Self { name: None, arn: Some(arn.to_owned()) }
    }

    /// Scope and name, which may be somebody else's.
    pub(super) fn resolve(&self, scope: &Scope) -> Result<(Scope, String), ApiError> {
        let Some(arn) = &self.arn else {
            let name = self.name.clone().ok_or_else(|| invalid("Either StreamName or StreamARN has to be given."))?;
            return Ok((scope.clone(), name));
        };
        let (owner, name) = of_arn(arn).ok_or_else(|| invalid(format!("{arn} is not the ARN of a stream.")))?;
        match self.name.as_ref().is_none_or(|given| given == name) {
            true => Ok((owner, name.to_owned())),
            false => Err(invalid("StreamName and StreamARN are of different streams.")),
        }
    }

    pub(super) fn is_given(&self) -> bool {
        self.name.is_some() || self.arn.is_some()
    }
}

pub(super) fn shard_id(number: u32) -> String {
    format!("shardId-{number:012}")
}

/// The number of a shard, also from an id in a shorter form, which AWS takes, too.
pub(super) fn shard_number(id: &str) -> Option<u32> {
    let digits = id.rsplit_once('-').map_or(id, |(_, digits)| digits);
    let number = digits.parse().ok().filter(|number| i32::try_from(*number).is_ok());
    number.filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit()))
}

/// The journal of a shard. A stream that is made anew under the same name has others.
pub(super) fn journal(stream: Uuid, shard: u32) -> String {
    format!("kinesis/{}/{shard:010}", stream.simple())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_surroundings::scope;

    #[test]
    fn arns_lead_to_streams_and_consumers() {
        let arn = stream_arn(&scope(), "s");
        assert_eq!(of_arn(&arn), Some((scope(), "s")));
        let consumer = format!("{arn}/consumer/c:1700000000");
        assert_eq!(of_arn(&consumer), Some((scope(), "s")));
        assert_eq!((consumer_of_arn(&consumer), consumer_of_arn(&arn)), (Some(("c", 1_700_000_000)), None));
        assert_eq!(of_arn("arn:aws:sqs:eu-west-1:123456789012:s"), None);
        assert_eq!((shard_number("shardId-000000000012"), shard_number("7")), (Some(12), Some(7)));
        assert_eq!(
            (shard_number("shardId-"), shard_number("shardId-+5"), shard_number("x-99999999999")),
            (None, None, None)
        );
    }

    #[test]
    fn a_name_beside_an_arn_has_to_be_the_same() {
        let both = |name: &str| Named { name: Some(name.to_owned()), arn: Some(stream_arn(&scope(), "s")) };
        assert_eq!(both("s").resolve(&scope()).unwrap().1, "s");
        assert_eq!(both("t").resolve(&scope()).unwrap_err().code(), "InvalidArgumentException");
        assert_eq!(Named::default().resolve(&scope()).unwrap_err().code(), "InvalidArgumentException");
    }
}
