//! Values in tables, as RabbitMQ writes them: headers of messages.

use super::fields::Fields;
use crate::BrokerError;

/// Tables and lists in each other; clients send two or three.
const DEPTH_MAX: usize = 32;

/// A value of a table.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Boolean(bool),
    Whole(i64),
    /// One that needs its 64th bit.
    Unsigned(u64),
    Real(f64),
    /// The value times a power of ten.
    Decimal {
        scale: u8,
        value: i32,
    },
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    List(Vec<Value>),
    /// Seconds since 1970.
    Time(u64),
    Table(Vec<(String, Value)>),
    Nothing,
}

/// Reads a table with its length before it.
pub(super) fn table(fields: &mut Fields<'_>) -> Result<Vec<(String, Value)>, BrokerError> {
    table_within(fields, DEPTH_MAX)
}

fn table_within(fields: &mut Fields<'_>, depth: usize) -> Result<Vec<(String, Value)>, BrokerError> {
    let mut inner = Fields::new(fields.long()?);
    let mut entries = Vec::new();
    while !inner.is_empty() {
        let name = inner.short_text()?;
        entries.push((name, value(&mut inner, depth)?));
    }
    Ok(entries)
}

fn list_within(fields: &mut Fields<'_>, depth: usize) -> Result<Vec<Value>, BrokerError> {
    let mut inner = Fields::new(fields.long()?);
    let mut values = Vec::new();
    while !inner.is_empty() {
        values.push(value(&mut inner, depth)?);
    }
    Ok(values)
}

fn value(fields: &mut Fields<'_>, depth: usize) -> Result<Value, BrokerError> {
    let depth = depth.checked_sub(1).ok_or(BrokerError::Malformed("tables lie in each other without end"))?;
    // https://www.rabbitmq.com/amqp-0-9-1-errata, which is what brokers and clients do.
    Ok(match fields.u8()? {
        b't' => Value::Boolean(fields.u8()? != 0),
        b'b' => Value::Whole(i8::from_be_bytes(fields.array()?).into()),
        b'B' => Value::Whole(fields.u8()?.into()),
        b's' => Value::Whole(i16::from_be_bytes(fields.array()?).into()),
        b'u' => Value::Whole(fields.u16()?.into()),
        b'I' => Value::Whole(i32::from_be_bytes(fields.array()?).into()),
        b'i' => Value::Whole(fields.u32()?.into()),
        b'l' => Value::Whole(i64::from_be_bytes(fields.array()?)),
        b'L' => Value::Unsigned(fields.u64()?),
        b'f' => Value::Real(f32::from_be_bytes(fields.array()?).into()),
        b'd' => Value::Real(f64::from_be_bytes(fields.array()?)),
        b'D' => Value::Decimal { scale: fields.u8()?, value: i32::from_be_bytes(fields.array()?) },
        b'S' => Value::Text(fields.long()?.to_vec()),
        b'x' => Value::Bytes(fields.long()?.to_vec()),
        b'A' => Value::List(list_within(fields, depth)?),
        b'T' => Value::Time(fields.u64()?),
        b'F' => Value::Table(table_within(fields, depth)?),
        b'V' => Value::Nothing,
        _ => return Err(BrokerError::Malformed("a header has a value of no known type")),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tables_are_read() {
        let entries = [&b"\x01aS\0\0\0\x02hi"[..], b"\x01nI\xff\xff\xff\xff", b"\x01tF\0\0\0\x04\x01xt\x01", b"\x01zV"];
        let inner = entries.concat();
        let mut bytes = u32::try_from(inner.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(inner);
        let read = table(&mut Fields::new(&bytes)).unwrap();
        assert_eq!(
            read,
            [
                ("a".to_owned(), Value::Text(b"hi".to_vec())),
                ("n".to_owned(), Value::Whole(-1)),
                ("t".to_owned(), Value::Table(vec![("x".to_owned(), Value::Boolean(true))])),
                ("z".to_owned(), Value::Nothing),
            ]
        );
    }

    #[test]
    fn tables_without_end_are_refused() {
        let mut bytes = b"\x01zV".to_vec();
        for _ in 0..100 {
            let mut outer = b"\x01tF".to_vec();
            outer.extend(u32::try_from(bytes.len()).unwrap().to_be_bytes());
            outer.extend(bytes);
            bytes = outer;
        }
        let mut whole = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
        whole.extend(bytes);
        assert!(table(&mut Fields::new(&whole)).is_err());
    }

    proptest! {
        #[test]
        fn whatever_bytes_come_reading_them_ends(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let _ = table(&mut Fields::new(&bytes));
        }
    }
}
