//! The stream or consumer that an operation of Kinesis is about (service authorization reference).

use tindra_core::function::Scope;
use tindra_model::Call;
use tindra_services::kinesis;

use super::text;

/// Its ARN; lists are of no one in particular.
pub(super) fn resource(call: &Call, scope: &Scope) -> String {
    let input = &call.input;
    let given = ["ConsumerARN", "StreamARN", "ResourceARN"].iter().find_map(|member| text(input, member));
    if let Some(arn) = given {
        return match (call.operation.name(), text(input, "ConsumerName")) {
            ("DeregisterStreamConsumer" | "DescribeStreamConsumer", Some(name)) if !arn.contains("/consumer/") => {
                format!("{arn}/consumer/{name}:*")
            }
            _ => arn.to_owned(),
        };
    }
    let of_iterator = || kinesis::stream_of_iterator(text(input, "ShardIterator")?);
    let name = text(input, "StreamName").map(str::to_owned).or_else(of_iterator);
    name.map_or_else(|| "*".to_owned(), |name| kinesis::stream_arn(scope, &name))
}
