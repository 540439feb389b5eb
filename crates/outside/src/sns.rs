//! Messages to topics of SNS, in its Query protocol.

use http::HeaderValue;
use tindra_model::signing::percent_encode;

use super::call::{ANSWER_BYTES_MAX, Call, post};
use super::refusal::element;
use super::target::Target;
use super::{MessageAttribute, Outside, OutsideError, OutsideService};

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";
const API_VERSION: &str = "2010-03-31";

impl Outside {
    /// Publishes a message to a standard topic. `trace_header` goes with the request.
    ///
    /// # Errors
    /// See [`OutsideError`].
    pub async fn publish(
        &self,
        topic_arn: &str,
        message: &str,
        attributes: &[MessageAttribute],
        trace_header: Option<&str>,
    ) -> Result<(), OutsideError> {
        let target = Target::standard(topic_arn, OutsideService::Sns)?;
        let mut request = post(FORM, form(topic_arn, message, attributes));
        // One that no header can hold came in no header either; the message matters more.
        if let Some(value) = trace_header.and_then(|text| HeaderValue::from_str(text).ok()) {
            request.headers_mut().insert("x-amzn-trace-id", value);
        }
        let call = Call {
            service: OutsideService::Sns,
            operation: "Publish",
            target: topic_arn,
            region: target.region,
            request,
            answer_bytes_max: ANSWER_BYTES_MAX,
        };
        self.attempt(OutsideService::Sns, async {
            let (answer, asked) = self.call(call).await?;
            element(&answer, "MessageId").map(|_| ()).ok_or_else(|| asked.misunderstood())
        })
        .await
    }
}

fn form(topic_arn: &str, message: &str, attributes: &[MessageAttribute]) -> String {
    let mut form =
        format!("Action=Publish&Version={API_VERSION}&TopicArn={}&Message={}", encode(topic_arn), encode(message));
    for (number, attribute) in (1..).zip(attributes) {
        let entry = format!("MessageAttributes.entry.{number}");
        form.push_str(&format!(
            "&{entry}.Name={}&{entry}.Value.DataType={}&{entry}.Value.StringValue={}",
            encode(&attribute.name),
            attribute.kind.data_type(),
            encode(&attribute.value)
        ));
    }
    form
}

/// As AWS's own clients encode forms: a server that signs what it has decoded and encoded again comes to the same.
fn encode(text: &str) -> String {
    percent_encode(text).replace("%20", "+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded() {
        let attributes = [MessageAttribute::string("RequestID", "r/1"), MessageAttribute::number("ErrorCode", 200)];
        assert_eq!(
            form("arn:aws:sns:eu-west-1:123456789012:news", "a&b=c+d é\n", &attributes),
            "Action=Publish&Version=2010-03-31&TopicArn=arn%3Aaws%3Asns%3Aeu-west-1%3A123456789012%3Anews\
             &Message=a%26b%3Dc%2Bd+%C3%A9%0A\
             &MessageAttributes.entry.1.Name=RequestID&MessageAttributes.entry.1.Value.DataType=String\
             &MessageAttributes.entry.1.Value.StringValue=r%2F1\
             &MessageAttributes.entry.2.Name=ErrorCode&MessageAttributes.entry.2.Value.DataType=Number\
             &MessageAttributes.entry.2.Value.StringValue=200"
        );
    }
}
