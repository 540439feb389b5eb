//! What comes with a message beside its bytes.

use super::fields::Fields;
use super::value::{Value, table};
use crate::BrokerError;

/// The class that messages are of.
const BASIC: u16 = 60;

/// The properties of a message; none where the sender gave none.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Properties {
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) headers: Option<Vec<(String, Value)>>,
    pub(crate) delivery_mode: Option<u8>,
    pub(crate) priority: Option<u8>,
    pub(crate) correlation_id: Option<String>,
    pub(crate) reply_to: Option<String>,
    pub(crate) expiration: Option<String>,
    pub(crate) message_id: Option<String>,
    /// Seconds since 1970.
    pub(crate) timestamp_s: Option<u64>,
    pub(crate) kind: Option<String>,
    pub(crate) user_id: Option<String>,
    pub(crate) app_id: Option<String>,
    pub(crate) cluster_id: Option<String>,
}

/// Reads a header frame: the number of bytes of the body, and the properties.
pub(super) fn header(bytes: &[u8]) -> Result<(u64, Properties), BrokerError> {
    let mut fields = Fields::new(bytes);
    let (class, _weight, body_bytes) = (fields.u16()?, fields.u16()?, fields.u64()?);
    if class != BASIC {
        return Err(BrokerError::Malformed("a header is none of a message"));
    }
    let flags = fields.u16()?;
    let mut bit = 16;
    let mut is_given = || {
        bit -= 1;
        flags & (1 << bit) != 0
    };
    let text = |fields: &mut Fields<'_>, is_given: bool| is_given.then(|| fields.short_text()).transpose();
    let fields = &mut fields;
    // In the order in which they stand.
    let properties = Properties {
        content_type: text(fields, is_given())?,
        content_encoding: text(fields, is_given())?,
        headers: is_given().then(|| table(fields)).transpose()?,
        delivery_mode: is_given().then(|| fields.u8()).transpose()?,
        priority: is_given().then(|| fields.u8()).transpose()?,
        correlation_id: text(fields, is_given())?,
        reply_to: text(fields, is_given())?,
        expiration: text(fields, is_given())?,
        message_id: text(fields, is_given())?,
        timestamp_s: is_given().then(|| fields.u64()).transpose()?,
        kind: text(fields, is_given())?,
        user_id: text(fields, is_given())?,
        app_id: text(fields, is_given())?,
        cluster_id: text(fields, is_given())?,
    };
    Ok((body_bytes, properties))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_is_given_is_there() {
        let mut bytes = vec![0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5];
        // Content type, delivery mode, timestamp.
        bytes.extend(0b1001_0000_0100_0000u16.to_be_bytes());
        bytes.extend(b"\x04text\x02\0\0\0\0\0\0\x07\xe5");
        let (body_bytes, properties) = header(&bytes).unwrap();
        let expected = Properties {
            content_type: Some("text".to_owned()),
            delivery_mode: Some(2),
            timestamp_s: Some(2021),
            ..Properties::default()
        };
        assert_eq!((body_bytes, properties), (5, expected));
        assert!(header(&bytes[..bytes.len() - 1]).is_err());
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_reading_them_ends(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
            let _ = header(&bytes);
            let _ = header(&[&[0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5][..], &bytes].concat());
        }
    }
}
