//! Packed bodies, of APIs that have a `minimumCompressionSize`.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::{GzDecoder, ZlibDecoder};
use flate2::write::{GzEncoder, ZlibEncoder};
use http::{HeaderValue, header};
use tindra_core::limits;

use super::refusal::Refusal;
use crate::front_door::{DoorBody, DoorRequest, DoorResponse};
use crate::restapi::records::Content;

/// The request with its body unpacked, where the API packs at all.
pub(super) fn unpacked(mut request: DoorRequest, packs: bool) -> Result<DoorRequest, Refusal> {
    let encoding = request.parts.headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    let body = request.body.clone();
    let mut plain = Vec::new();
    // One more than may be, so that more is noticed.
    let most = limits::API_REQUEST_BYTES_MAX as u64 + 1;
    let read = match encoding.filter(|_| packs).map(str::to_ascii_lowercase).as_deref() {
        Some("gzip") => GzDecoder::new(&body[..]).take(most).read_to_end(&mut plain),
        Some("deflate") => ZlibDecoder::new(&body[..]).take(most).read_to_end(&mut plain),
        _ => return Ok(request),
    };
    read.map_err(|_| Refusal::unreadable_body())?;
    if plain.len() > limits::API_REQUEST_BYTES_MAX {
        return Err(Refusal::request_too_large());
    }
    request.parts.headers.remove(header::CONTENT_ENCODING);
    request.body = plain.into();
    Ok(request)
}

/// The answer with its body packed, where it is large enough and the client reads it.
pub(super) fn packed(response: DoorResponse, content: &Content, request: &DoorRequest) -> DoorResponse {
    let Some(least) = content.minimum_compression_bytes else { return response };
    let accepted = request.parts.headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok());
    let is_packed = response.headers().contains_key(header::CONTENT_ENCODING);
    let (mut parts, body) = response.into_parts();
    let (DoorBody::Whole(plain), Some(accepted), false) = (&body, accepted, is_packed) else {
        return DoorResponse::from_parts(parts, body);
    };
    if plain.len() < least as usize || plain.is_empty() {
        return DoorResponse::from_parts(parts, body);
    }
    let accepts =
        |name: &str| accepted.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim() == name));
    let result = if accepts("gzip") {
        gzip(plain).map(|packed| ("gzip", packed))
    } else if accepts("deflate") {
        deflate(plain).map(|packed| ("deflate", packed))
    } else {
        return DoorResponse::from_parts(parts, body);
    };
    match result {
        Ok((encoding, packed)) => {
            parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
            DoorResponse::from_parts(parts, DoorBody::Whole(packed.into()))
        }
        // Writing to memory does not fail.
        Err(_) => DoorResponse::from_parts(parts, body),
    }
}

fn gzip(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain)?;
    encoder.finish()
}

fn deflate(plain: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(plain)?;
    encoder.finish()
}
