//! CBOR bodies (`application/x-amz-cbor-1.1`), which Java's SDKs send to Kinesis: the JSON protocol in another encoding.
//!
//! Blobs are byte strings. A timestamp is tagged 1 and counts milliseconds, where CBOR itself (RFC 8949, section 3.4.2) would
//! count seconds: so do Java's SDKs in both of their generations.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minicbor::data::{Tag, Type};
use minicbor::decode::Error as Malformed;
use minicbor::{Decoder, Encoder};
use serde_json::{Map, Number, Value};

use crate::data::Shape;
use crate::error::ApiError;
use crate::service::Service;

type Unwritten = minicbor::encode::Error<Infallible>;

/// Levels of structures, lists and maps in a body; requests have five at the most.
const DEPTH_MAX: usize = 32;
const TAG_TIME: u64 = 1;
/// Below this a whole number is a time in seconds, from it on in milliseconds: the year 5138, and March 1973.
const MILLISECONDS_MIN: f64 = 1e11;

/// Reads a body as the value that the same body in JSON would be.
///
/// # Errors
/// `SerializationException` when it is not CBOR, or holds what JSON cannot.
pub(crate) fn read(body: &[u8]) -> Result<Value, ApiError> {
    let mut decoder = Decoder::new(body);
    let read = value(&mut decoder, DEPTH_MAX).map_err(|error| refused(&error.to_string()))?;
    match decoder.position() == body.len() {
        true => Ok(read),
        false => Err(refused("something follows it")),
    }
}

fn refused(problem: &str) -> ApiError {
    ApiError::new("SerializationException", format!("The body is not valid CBOR: {problem}."))
}

fn value(decoder: &mut Decoder<'_>, depth: usize) -> Result<Value, Malformed> {
    let Some(deeper) = depth.checked_sub(1) else { return Err(Malformed::message("it is nested too deeply")) };
    Ok(match decoder.datatype()? {
        Type::Null => decoder.null().map(|()| Value::Null)?,
        Type::Undefined => decoder.undefined().map(|()| Value::Null)?,
        Type::Bool => Value::Bool(decoder.bool()?),
        Type::F32 => number(f64::from(decoder.f32()?))?,
        Type::F64 => number(decoder.f64()?)?,
        Type::Bytes => Value::String(STANDARD.encode(decoder.bytes()?)),
        Type::BytesIndef => Value::String(STANDARD.encode(pieces(decoder)?)),
        Type::String | Type::StringIndef => Value::String(text(decoder)?),
        Type::Array | Type::ArrayIndef => {
            let mut items = Vec::new();
            let count = decoder.array()?;
            while goes_on(decoder, count, items.len())? {
                items.push(value(decoder, deeper)?);
            }
            Value::Array(items)
        }
        Type::Map | Type::MapIndef => {
            let (mut members, mut read) = (Map::new(), 0);
            let count = decoder.map()?;
            while goes_on(decoder, count, read)? {
                let name = text(decoder)?;
                members.insert(name, value(decoder, deeper)?);
                read += 1;
            }
            Value::Object(members)
        }
        Type::Tag => {
            let tag = decoder.tag()?.as_u64();
            let tagged = value(decoder, deeper)?;
            if tag == TAG_TIME { seconds(&tagged)? } else { tagged }
        }
        kind if is_whole(kind) => {
            let whole = i128::from(decoder.int()?);
            let signed = i64::try_from(whole).map(Number::from);
            signed.or_else(|_| u64::try_from(whole).map(Number::from)).map(Value::Number).map_err(too_large)?
        }
        kind => return Err(Malformed::message(format!("it holds {kind}, which JSON has not"))),
    })
}

fn is_whole(kind: Type) -> bool {
    use Type::{I8, I16, I32, I64, Int, U8, U16, U32, U64};
    matches!(kind, U8 | U16 | U32 | U64 | I8 | I16 | I32 | I64 | Int)
}

fn too_large(_: std::num::TryFromIntError) -> Malformed {
    Malformed::message("a number is too large")
}

fn number(float: f64) -> Result<Value, Malformed> {
    let finite = Number::from_f64(float).map(Value::Number);
    finite.ok_or_else(|| Malformed::message("a number is not finite"))
}

/// Whether another item follows; the mark at the end is taken.
fn goes_on(decoder: &mut Decoder<'_>, count: Option<u64>, read: usize) -> Result<bool, Malformed> {
    match count {
        Some(count) => Ok((read as u64) < count),
        None if decoder.datatype()? == Type::Break => {
            decoder.set_position(decoder.position() + 1);
            Ok(false)
        }
        None => Ok(true),
    }
}

fn text(decoder: &mut Decoder<'_>) -> Result<String, Malformed> {
    decoder.str_iter()?.collect()
}

fn pieces(decoder: &mut Decoder<'_>) -> Result<Vec<u8>, Malformed> {
    let mut whole = Vec::new();
    for piece in decoder.bytes_iter()? {
        whole.extend_from_slice(piece?);
    }
    Ok(whole)
}

/// A time as JSON has it. What counts milliseconds is told from what counts seconds by its size.
fn seconds(tagged: &Value) -> Result<Value, Malformed> {
    let time = tagged.as_f64().ok_or_else(|| Malformed::message("a time is no number"))?;
    number(if time.abs() < MILLISECONDS_MIN { time } else { time / 1_000.0 })
}

#[expect(clippy::cast_possible_truncation, reason = "casts of floats stay within bounds")]
fn milliseconds(seconds: &Number) -> i64 {
    (seconds.as_f64().unwrap_or_default() * 1_000.0).round() as i64
}

impl Service {
    /// A value in CBOR, as its shape has it.
    pub(crate) fn write_cbor(&self, shape: Option<&Shape>, value: &Value) -> Vec<u8> {
        let mut encoder = Encoder::new(Vec::new());
        match self.put(&mut encoder, shape, value) {
            Ok(()) => encoder.into_writer(),
            // Memory takes everything.
            Err(_) => Vec::new(),
        }
    }

    fn put(&self, out: &mut Encoder<Vec<u8>>, shape: Option<&Shape>, value: &Value) -> Result<(), Unwritten> {
        let kind = shape.map_or("", |shape| shape.kind.as_str());
        match value {
            Value::Null => out.null()?,
            Value::Bool(flag) => out.bool(*flag)?,
            Value::Number(number) if kind == "timestamp" => out.tag(Tag::new(TAG_TIME))?.i64(milliseconds(number))?,
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => out.i64(whole)?,
                (None, Some(float)) => out.f64(float)?,
                (None, None) => out.null()?,
            },
            Value::String(text) if kind == "blob" => match STANDARD.decode(text) {
                Ok(bytes) => out.bytes(&bytes)?,
                Err(_) => out.str(text)?,
            },
            Value::String(text) => out.str(text)?,
            Value::Array(items) => {
                let inner = shape.and_then(|shape| shape.member.as_deref()).and_then(|name| self.shape(name));
                out.array(items.len() as u64)?;
                for item in items {
                    self.put(out, inner, item)?;
                }
                out
            }
            Value::Object(members) => {
                // A member that is null is as good as absent.
                let present = || members.iter().filter(|(_, value)| !value.is_null());
                out.map(present().count() as u64)?;
                for (name, value) in present() {
                    out.str(name)?;
                    self.put(out, shape.and_then(|shape| self.inner(shape, name)), value)?;
                }
                out
            }
        };
        Ok(())
    }

    /// The shape of a member of a structure, or of the values of a map.
    fn inner(&self, shape: &Shape, name: &str) -> Option<&Shape> {
        let member = shape.members.iter().find(|member| member.wire_name() == name);
        member.map(|member| &member.shape).or(shape.value.as_ref()).and_then(|name| self.shape(name))
    }
}

#[cfg(test)]
mod tests;
