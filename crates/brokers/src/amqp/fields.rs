//! The fields that methods and headers consist of.

use crate::BrokerError;

/// Reads fields one after the other; one that is not there is an error.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], BrokerError> {
        let (bytes, rest) = self.0.split_at_checked(count).ok_or(BrokerError::Malformed("a field is cut short"))?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], BrokerError> {
        let bytes = self.bytes(N)?;
        bytes.try_into().map_err(|_| BrokerError::Malformed("a field is cut short"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, BrokerError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, BrokerError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, BrokerError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, BrokerError> {
        self.array().map(u64::from_be_bytes)
    }

    /// Up to 255 bytes. What is not UTF-8 in them is replaced: names and notes are for people.
    pub(super) fn short_text(&mut self) -> Result<String, BrokerError> {
        let length = self.u8()?;
        Ok(String::from_utf8_lossy(self.bytes(length.into())?).into_owned())
    }

    /// Bytes with their number before them.
    pub(super) fn long(&mut self) -> Result<&'a [u8], BrokerError> {
        let length = self.u32()?;
        self.bytes(usize::try_from(length).unwrap_or(usize::MAX))
    }
}

/// Writes a text of up to 255 bytes; a longer one is none.
pub(super) fn put_short_text(out: &mut Vec<u8>, text: &str) -> Result<(), BrokerError> {
    let length =
        u8::try_from(text.len()).map_err(|_| BrokerError::Lost("a name has more than 255 bytes".to_owned()))?;
    out.push(length);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Writes bytes with their number before them.
pub(super) fn put_long(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), BrokerError> {
    let length = u32::try_from(bytes.len()).map_err(|_| BrokerError::Lost("a field is too long".to_owned()))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}
