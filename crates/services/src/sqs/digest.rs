//! The MD5 digests by which clients see that nothing was changed on the way (SQS developer guide, "Calculating the MD5 message
//! digest for message attributes").

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

use super::message::Attribute;

pub(super) fn of_body(body: &[u8]) -> String {
    hex(&Md5::digest(body))
}

/// Of attributes in the order of their names; none of no attributes.
pub(super) fn of_attributes<'a>(attributes: impl Iterator<Item = &'a Attribute>) -> Option<String> {
    let mut sorted: Vec<&Attribute> = attributes.collect();
    if sorted.is_empty() {
        return None;
    }
    sorted.sort_by(|one, other| one.name.cmp(&other.name));
    let mut digest = Md5::new();
    for attribute in sorted {
        add(&mut digest, attribute.name.as_bytes());
        add(&mut digest, attribute.data_type.as_bytes());
        digest.update([if attribute.is_binary() { 2 } else { 1 }]);
        add(&mut digest, &attribute.bytes());
    }
    Some(hex(&digest.finalize()))
}

fn add(digest: &mut Md5, bytes: &[u8]) {
    digest.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    digest.update(bytes);
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A string takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
