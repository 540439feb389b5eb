//! The methods that a consumer sends, and those that it gets.

use super::fields::{Fields, put_long, put_short_text};
use super::value::table;
use crate::BrokerError;

/// A method of the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// The broker begins; by which mechanisms one may log in, in one line.
    Start {
        mechanisms: Vec<u8>,
    },
    /// What the broker proposes.
    Tune {
        channels_max: u16,
        frame_bytes_max: u32,
        heartbeat_s: u16,
    },
    OpenOk,
    /// The broker ends the connection.
    Close {
        code: u16,
        text: String,
    },
    CloseOk,
    ChannelOpenOk,
    /// The broker ends the channel.
    ChannelClose {
        code: u16,
        text: String,
    },
    Flow {
        is_active: u8,
    },
    QosOk,
    ConsumeOk,
    /// The queue has gone.
    Cancel,
    Deliver {
        tag: u64,
        is_redelivered: bool,
    },
    /// One that changes nothing here, such as a warning that publishers are held up.
    Other,
}

impl Received {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, BrokerError> {
        let mut fields = Fields::new(bytes);
        Ok(match (fields.u16()?, fields.u16()?) {
            (10, 10) => {
                let (_major, _minor) = (fields.u8()?, fields.u8()?);
                table(&mut fields)?;
                Self::Start { mechanisms: fields.long()?.to_vec() }
            }
            (10, 30) => {
                Self::Tune { channels_max: fields.u16()?, frame_bytes_max: fields.u32()?, heartbeat_s: fields.u16()? }
            }
            (10, 41) => Self::OpenOk,
            (10, 50) => Self::Close { code: fields.u16()?, text: fields.short_text()? },
            (10, 51) => Self::CloseOk,
            (20, 11) => Self::ChannelOpenOk,
            (20, 20) => Self::Flow { is_active: fields.u8()? & 1 },
            (20, 40) => Self::ChannelClose { code: fields.u16()?, text: fields.short_text()? },
            (60, 11) => Self::QosOk,
            (60, 21) => Self::ConsumeOk,
            (60, 30) => Self::Cancel,
            (60, 60) => {
                let _consumer = fields.short_text()?;
                Self::Deliver { tag: fields.u64()?, is_redelivered: fields.u8()? & 1 != 0 }
            }
            _ => Self::Other,
        })
    }
}

/// `connection.start-ok`, which logs in by PLAIN. `name` is what the broker shows of the connection.
pub(super) fn start_ok(user: &str, password: &str, name: &str) -> Result<Vec<u8>, BrokerError> {
    let mut capabilities = Vec::new();
    for capability in ["consumer_cancel_notify", "authentication_failure_close"] {
        put_short_text(&mut capabilities, capability)?;
        capabilities.extend(b"t\x01");
    }
    let mut properties = Vec::new();
    for (key, text) in [("product", "Tindra"), ("version", env!("CARGO_PKG_VERSION")), ("connection_name", name)] {
        put_short_text(&mut properties, key)?;
        properties.push(b'S');
        put_long(&mut properties, text.as_bytes())?;
    }
    put_short_text(&mut properties, "capabilities")?;
    properties.push(b'F');
    put_long(&mut properties, &capabilities)?;
    let mut bytes = head(10, 11);
    put_long(&mut bytes, &properties)?;
    put_short_text(&mut bytes, "PLAIN")?;
    put_long(&mut bytes, format!("\0{user}\0{password}").as_bytes())?;
    put_short_text(&mut bytes, "en_US")?;
    Ok(bytes)
}

/// `connection.tune-ok`.
pub(super) fn tune_ok(channels_max: u16, frame_bytes_max: u32, heartbeat_s: u16) -> Vec<u8> {
    let mut bytes = head(10, 31);
    bytes.extend(channels_max.to_be_bytes());
    bytes.extend(frame_bytes_max.to_be_bytes());
    bytes.extend(heartbeat_s.to_be_bytes());
    bytes
}

/// `connection.open`.
pub(super) fn open(virtual_host: &str) -> Result<Vec<u8>, BrokerError> {
    let mut bytes = head(10, 40);
    put_short_text(&mut bytes, virtual_host)?;
    bytes.extend([0, 0]);
    Ok(bytes)
}

/// `connection.close`: nothing is wrong.
pub(super) fn close() -> Vec<u8> {
    let mut bytes = head(10, 50);
    bytes.extend(200u16.to_be_bytes());
    bytes.extend([0; 5]);
    bytes
}

/// `connection.close-ok`.
pub(super) fn close_ok() -> Vec<u8> {
    head(10, 51)
}

/// `channel.open`.
pub(super) fn channel_open() -> Vec<u8> {
    let mut bytes = head(20, 10);
    bytes.push(0);
    bytes
}

/// `channel.flow-ok`.
pub(super) fn flow_ok(is_active: u8) -> Vec<u8> {
    let mut bytes = head(20, 21);
    bytes.push(is_active);
    bytes
}

/// `basic.qos`: so many messages that are not acknowledged, of whatever size, for each consumer that comes.
pub(super) fn qos(messages_max: u16) -> Vec<u8> {
    let mut bytes = head(60, 10);
    bytes.extend(0u32.to_be_bytes());
    bytes.extend(messages_max.to_be_bytes());
    bytes.push(0);
    bytes
}

/// `basic.consume`, with acknowledgements.
pub(super) fn consume(queue: &str, consumer: &str) -> Result<Vec<u8>, BrokerError> {
    let mut bytes = head(60, 20);
    bytes.extend([0, 0]);
    put_short_text(&mut bytes, queue)?;
    put_short_text(&mut bytes, consumer)?;
    bytes.push(0);
    put_long(&mut bytes, &[])?;
    Ok(bytes)
}

/// `basic.ack`, of all messages up to one or of one only.
pub(super) fn ack(tag: u64, all_before: bool) -> Vec<u8> {
    let mut bytes = head(60, 80);
    bytes.extend(tag.to_be_bytes());
    bytes.push(all_before.into());
    bytes
}

/// `basic.reject`: the queue's rules say what becomes of the message; it does not come back.
pub(super) fn reject(tag: u64) -> Vec<u8> {
    let mut bytes = head(60, 90);
    bytes.extend(tag.to_be_bytes());
    bytes.push(0);
    bytes
}

fn head(class: u16, method: u16) -> Vec<u8> {
    [class.to_be_bytes(), method.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn methods_are_read() {
        let close = b"\0\x14\0\x28\x01\x94\x09NOT_FOUND\0\x3c\0\x14";
        let expected = Received::ChannelClose { code: 404, text: "NOT_FOUND".to_owned() };
        assert_eq!(Received::read(close).unwrap(), expected);
        let deliver = b"\0\x3c\0\x3c\x01c\0\0\0\0\0\0\0\x07\x01\0\x01q";
        assert_eq!(Received::read(deliver).unwrap(), Received::Deliver { tag: 7, is_redelivered: true });
        assert_eq!(Received::read(b"\0\x0a\0\x3c\x03low").unwrap(), Received::Other);
        assert!(Received::read(b"\0\x3c\0\x3c\x01c\0").is_err() && Received::read(b"\0").is_err());
    }

    #[test]
    fn a_name_that_does_not_fit_is_an_error() {
        assert!(consume(&"q".repeat(256), "c").is_err() && consume(&"q".repeat(255), "c").is_ok());
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_reading_them_ends(
            class in prop_oneof![Just(10u16), Just(20), Just(60)], method in 0u16..120,
            bytes in proptest::collection::vec(any::<u8>(), 0..128),
        ) {
            let _ = Received::read(&[&class.to_be_bytes()[..], &method.to_be_bytes(), &bytes].concat());
        }
    }
}
