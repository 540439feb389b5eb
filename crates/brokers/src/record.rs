//! How a message of RabbitMQ looks to a function (AWS, "Using Lambda with Amazon MQ").
//!
//! AWS writes the values of RabbitMQ's Java client as its JSON library finds them: texts of headers as lists of signed bytes
//! under `bytes`, and times as English text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Number, Value, json};

use crate::amqp::properties::Properties;
use crate::amqp::value::Value as HeaderValue;

/// `basicProperties`, `redelivered` and `data`.
pub(crate) fn record(
    properties: &Properties,
    is_redelivered: bool,
    body_bytes: u64,
    body: &[u8],
) -> Map<String, Value> {
    let mut members = Map::new();
    members.insert("basicProperties".to_owned(), basic_properties(properties, body_bytes));
    members.insert("redelivered".to_owned(), is_redelivered.into());
    members.insert("data".to_owned(), STANDARD.encode(body).into());
    members
}

fn basic_properties(properties: &Properties, body_bytes: u64) -> Value {
    json!({
        "contentType": properties.content_type,
        "contentEncoding": properties.content_encoding,
        "headers": properties.headers.as_deref().map(table),
        "deliveryMode": properties.delivery_mode,
        "priority": properties.priority,
        "correlationId": properties.correlation_id,
        "replyTo": properties.reply_to,
        "expiration": properties.expiration,
        "messageId": properties.message_id,
        "timestamp": properties.timestamp_s.map(time),
        "type": properties.kind,
        "userId": properties.user_id,
        "appId": properties.app_id,
        "clusterId": properties.cluster_id,
        "bodySize": body_bytes,
    })
}

fn table(entries: &[(String, HeaderValue)]) -> Value {
    Value::Object(entries.iter().map(|(name, entry)| (name.clone(), value(entry))).collect())
}

fn value(entry: &HeaderValue) -> Value {
    match entry {
        HeaderValue::Boolean(is_true) => (*is_true).into(),
        HeaderValue::Whole(number) => (*number).into(),
        HeaderValue::Unsigned(number) => (*number).into(),
        // What is no number is none in JSON either.
        HeaderValue::Real(number) => Number::from_f64(*number).map_or(Value::Null, Value::Number),
        HeaderValue::Decimal { scale, value } => {
            Number::from_f64(f64::from(*value) / 10f64.powi((*scale).into())).map_or(Value::Null, Value::Number)
        }
        HeaderValue::Text(text) => json!({ "bytes": signed(text) }),
        HeaderValue::Bytes(bytes) => signed(bytes),
        HeaderValue::List(values) => Value::Array(values.iter().map(value).collect()),
        HeaderValue::Time(unix_s) => time(*unix_s),
        HeaderValue::Table(entries) => table(entries),
        HeaderValue::Nothing => Value::Null,
    }
}

fn signed(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| Value::from(byte.cast_signed())).collect()
}

/// `Jan 1, 1970, 12:33:41 AM`; none for a time that calendars do not have.
fn time(unix_s: u64) -> Value {
    let time = i64::try_from(unix_s).ok().and_then(|unix_s| Timestamp::from_second(unix_s).ok());
    let text = time.map(|time| time.to_zoned(TimeZone::UTC).strftime("%b %-d, %Y, %-I:%M:%S %p").to_string());
    text.map_or(Value::Null, Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_looks_as_the_guide_shows() {
        let text = |text: &str| HeaderValue::Text(text.as_bytes().to_vec());
        let properties = Properties {
            content_type: Some("text/plain".to_owned()),
            headers: Some(vec![
                ("header1".to_owned(), text("value1")),
                ("numberInHeader".to_owned(), HeaderValue::Whole(10)),
            ]),
            delivery_mode: Some(1),
            priority: Some(34),
            expiration: Some("60000".to_owned()),
            timestamp_s: Some(2_021),
            user_id: Some("AIDACKCEVSQ6C2EXAMPLE".to_owned()),
            ..Properties::default()
        };
        let members = record(&properties, false, 80, b"hi");
        let expected = r#"{"basicProperties":{"contentType":"text/plain","contentEncoding":null,"headers":{"header1":{"bytes":[118,97,108,117,101,49]},"numberInHeader":10},"deliveryMode":1,"priority":34,"correlationId":null,"replyTo":null,"expiration":"60000","messageId":null,"timestamp":"Jan 1, 1970, 12:33:41 AM","type":null,"userId":"AIDACKCEVSQ6C2EXAMPLE","appId":null,"clusterId":null,"bodySize":80},"redelivered":false,"data":"aGk="}"#;
        assert_eq!(serde_json::to_string(&members).unwrap(), expected);
    }

    #[test]
    fn headers_of_every_type_are_written() {
        for (header, written) in [
            (HeaderValue::Text("ä".as_bytes().to_vec()), json!({ "bytes": [-61, -92] })),
            (HeaderValue::Bytes(vec![0, 255]), json!([0, -1])),
            (HeaderValue::Decimal { scale: 2, value: 1_234 }, json!(12.34)),
            (HeaderValue::Real(f64::NAN), Value::Null),
            (HeaderValue::Unsigned(u64::MAX), json!(u64::MAX)),
            (HeaderValue::List(vec![HeaderValue::Boolean(true), HeaderValue::Nothing]), json!([true, null])),
            (HeaderValue::Table(vec![("a".to_owned(), HeaderValue::Whole(1))]), json!({ "a": 1 })),
            (HeaderValue::Time(1_700_000_000), json!("Nov 14, 2023, 10:13:20 PM")),
            (HeaderValue::Time(u64::MAX), Value::Null),
        ] {
            assert_eq!(value(&header), written);
        }
    }
}
