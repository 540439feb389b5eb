//! The bytes of one entry: inflated, counted and checked as they are read.

use std::io::{self, Read};

use flate2::Crc;
use flate2::bufread::DeflateDecoder;

use super::PackageError;
use super::directory::{Header, Method};

enum Source<'a> {
    Stored(&'a [u8]),
    Deflated(Box<DeflateDecoder<&'a [u8]>>),
}

/// Reads an entry. Size and checksum are compared when the end is reached; a failure stays.
pub(super) struct Content<'a> {
    source: Source<'a>,
    name: String,
    crc: Crc,
    expected_crc32: u32,
    expected_bytes: u64,
    budget_bytes: u64,
    bytes: u64,
    failure: Option<PackageError>,
}

impl<'a> Content<'a> {
    pub(super) fn open(zip: &'a [u8], header: &Header<'a>, budget_bytes: u64) -> Result<Self, PackageError> {
        if header.size_bytes > budget_bytes {
            return Err(PackageError::TooLarge);
        }
        let name = String::from_utf8_lossy(&header.name).into_owned();
        let data = zip
            .get(header.data.clone())
            .ok_or_else(|| PackageError::Broken { reason: format!("the data of {name:?} are missing") })?;
        let source = match header.method {
            Method::Stored => Source::Stored(data),
            Method::Deflated => Source::Deflated(Box::new(DeflateDecoder::new(data))),
        };
        Ok(Self {
            source,
            name,
            crc: Crc::new(),
            expected_crc32: header.crc32,
            expected_bytes: header.size_bytes,
            budget_bytes,
            bytes: 0,
            failure: None,
        })
    }

    /// Bytes read so far.
    pub(super) fn bytes_read(&self) -> u64 {
        self.bytes
    }

    /// What went wrong, if anything.
    pub(super) fn failure(&self) -> Option<PackageError> {
        self.failure.clone()
    }

    fn fail(&mut self, error: PackageError) -> io::Error {
        let text = error.to_string();
        self.failure = Some(error);
        io::Error::new(io::ErrorKind::InvalidData, text)
    }

    fn broken(&mut self, what: &str) -> io::Error {
        let reason = format!("{what} of {:?}", self.name);
        self.fail(PackageError::Broken { reason })
    }
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failure) = &self.failure {
            return Err(io::Error::new(io::ErrorKind::InvalidData, failure.to_string()));
        }
        let read = match &mut self.source {
            Source::Stored(data) => data.read(buffer),
            Source::Deflated(decoder) => decoder.read(buffer),
        };
        let Ok(length) = read else { return Err(self.broken("the compressed data end too early or are damaged:")) };
        if length == 0 && !buffer.is_empty() {
            if self.bytes != self.expected_bytes {
                return Err(self.broken("the size is wrong: that"));
            }
            if self.crc.sum() != self.expected_crc32 {
                return Err(self.broken("the checksum is wrong: that"));
            }
            return Ok(0);
        }
        self.bytes += length as u64;
        if self.bytes > self.budget_bytes {
            return Err(self.fail(PackageError::TooLarge));
        }
        if self.bytes > self.expected_bytes {
            return Err(self.broken("the size is wrong: that"));
        }
        self.crc.update(&buffer[..length]);
        Ok(length)
    }
}
