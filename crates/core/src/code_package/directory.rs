//! The structure of a zip: end record, central directory, local headers (PKWARE APPNOTE 4.3, 4.4, 4.5.3).
//!
//! Only the central directory is believed, and only as far as the bytes are there.

use std::borrow::Cow;
use std::ops::Range;

use super::PackageError;
use crate::limits::ZIP_ENTRIES_MAX;

const END_SIGNATURE: u32 = 0x0605_4b50;
const END_BYTES: usize = 22;
const END64_SIGNATURE: u32 = 0x0606_4b50;
const END64_BYTES: usize = 56;
const LOCATOR64_SIGNATURE: u32 = 0x0706_4b50;
const LOCATOR64_BYTES: usize = 20;
const CENTRAL_SIGNATURE: u32 = 0x0201_4b50;
const CENTRAL_BYTES: usize = 46;
const LOCAL_SIGNATURE: u32 = 0x0403_4b50;
const LOCAL_BYTES: usize = 30;
/// The comment after the end record is at most this long.
const COMMENT_BYTES_MAX: usize = 0xffff;
/// The extra field that holds sizes too large for 32 bits.
const ZIP64_EXTRA: u16 = 0x0001;

/// Systems whose zips carry Unix modes ("version made by", upper byte).
const MADE_ON_UNIX: u8 = 3;
const MADE_ON_MACOS: u8 = 19;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File {
        executable: bool,
    },
    Symlink,
    /// Device, FIFO, socket: never made.
    Special,
}

/// How an entry's data are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

/// One entry of the central directory, with the place of its data.
#[derive(Clone, Debug)]
pub(super) struct Header<'a> {
    pub(super) name: Cow<'a, [u8]>,
    pub(super) kind: Kind,
    pub(super) method: Method,
    pub(super) crc32: u32,
    pub(super) data: Range<usize>,
    /// What the header says that the data inflate to.
    pub(super) size_bytes: u64,
}

/// Reads the central directory and checks that every entry's data lie inside the zip, none over another's.
pub(super) fn read(zip: &[u8]) -> Result<Vec<Header<'_>>, PackageError> {
    let end = find_end(zip)?;
    if end.entries > ZIP_ENTRIES_MAX as u64 {
        return Err(PackageError::TooManyEntries);
    }
    // Bytes in front of the zip proper (a self-extracting stub) shift every offset by the same amount.
    let directory_start = end
        .directory_end
        .checked_sub(end.directory_bytes)
        .ok_or_else(|| broken("its directory is larger than the file"))?;
    let stub_bytes = directory_start
        .checked_sub(end.directory_offset)
        .ok_or_else(|| broken("its directory begins after its end"))?;
    let directory = slice(zip, directory_start, end.directory_bytes)?;

    let mut headers = Vec::with_capacity(usize::try_from(end.entries).unwrap_or(0));
    let mut at = 0;
    for _ in 0..end.entries {
        let (header, next) = read_entry(zip, directory, at, stub_bytes)?;
        headers.push(header);
        at = next;
    }
    refuse_overlaps(&headers, directory_start)?;
    Ok(headers)
}

struct End {
    entries: u64,
    directory_bytes: usize,
    directory_offset: usize,
    /// Where the directory ends: the first of the end records.
    directory_end: usize,
}

fn find_end(zip: &[u8]) -> Result<End, PackageError> {
    let last = zip.len().checked_sub(END_BYTES).ok_or_else(|| broken("it is too short"))?;
    let first = last.saturating_sub(COMMENT_BYTES_MAX);
    let at = (first..=last)
        .rev()
        .find(|&at| u32_at(zip, at) == Some(END_SIGNATURE) && comment_fits(zip, at))
        .ok_or_else(|| broken("it has no end record"))?;
    let disk = u16_at(zip, at + 4).unwrap_or(0);
    let entries = u16_at(zip, at + 10).unwrap_or(0);
    let bytes = u32_at(zip, at + 12).unwrap_or(0);
    let offset = u32_at(zip, at + 16).unwrap_or(0);
    let is_zip64 = entries == u16::MAX || bytes == u32::MAX || offset == u32::MAX;
    if let Some(end) = is_zip64.then(|| find_end64(zip, at)).flatten() {
        return Ok(end);
    }
    if disk != 0 && disk != u16::MAX {
        return Err(PackageError::Unsupported { reason: "it is one part of several".to_owned() });
    }
    Ok(End {
        entries: u64::from(entries),
        directory_bytes: bytes as usize,
        directory_offset: offset as usize,
        directory_end: at,
    })
}

fn comment_fits(zip: &[u8], at: usize) -> bool {
    u16_at(zip, at + 20).is_some_and(|bytes| at + END_BYTES + usize::from(bytes) <= zip.len())
}

fn find_end64(zip: &[u8], end_at: usize) -> Option<End> {
    let locator = end_at.checked_sub(LOCATOR64_BYTES)?;
    (u32_at(zip, locator)? == LOCATOR64_SIGNATURE).then_some(())?;
    // The record stands right before its locator, wherever a stub in front has moved both.
    let at = locator.checked_sub(END64_BYTES)?;
    (u32_at(zip, at)? == END64_SIGNATURE).then_some(())?;
    Some(End {
        entries: u64_at(zip, at + 32)?,
        directory_bytes: usize::try_from(u64_at(zip, at + 40)?).ok()?,
        directory_offset: usize::try_from(u64_at(zip, at + 48)?).ok()?,
        directory_end: at,
    })
}

/// Reads the entry at `at` of the directory; returns it and where the next one begins.
fn read_entry<'a>(
    zip: &'a [u8],
    directory: &'a [u8],
    at: usize,
    stub_bytes: usize,
) -> Result<(Header<'a>, usize), PackageError> {
    let fixed = slice(directory, at, CENTRAL_BYTES)?;
    if u32_at(fixed, 0) != Some(CENTRAL_SIGNATURE) {
        return Err(broken("its directory has fewer entries than it says"));
    }
    let made_on = fixed[5];
    let flags = u16_at(fixed, 8).unwrap_or(0);
    let method = u16_at(fixed, 10).unwrap_or(0);
    let crc32 = u32_at(fixed, 16).unwrap_or(0);
    let name_bytes = usize::from(u16_at(fixed, 28).unwrap_or(0));
    let extra_bytes = usize::from(u16_at(fixed, 30).unwrap_or(0));
    let comment_bytes = usize::from(u16_at(fixed, 32).unwrap_or(0));
    let attributes = u32_at(fixed, 38).unwrap_or(0);

    let raw_name = slice(directory, at + CENTRAL_BYTES, name_bytes)?;
    let extra = slice(directory, at + CENTRAL_BYTES + name_bytes, extra_bytes)?;
    let next = at + CENTRAL_BYTES + name_bytes + extra_bytes + comment_bytes;
    let shown = || String::from_utf8_lossy(raw_name).into_owned();

    if flags & 0x2041 != 0 {
        return Err(PackageError::Unsupported { reason: format!("{:?} is encrypted", shown()) });
    }
    let method = match method {
        0 => Method::Stored,
        8 => Method::Deflated,
        other => {
            let reason = format!("{:?} uses compression method {other}, only stored and deflate are known", shown());
            return Err(PackageError::Unsupported { reason });
        }
    };
    let (size_bytes, compressed_bytes, offset) = sizes(fixed, extra).ok_or_else(|| broken_entry(raw_name))?;
    let data = usize::try_from(offset)
        .ok()
        .and_then(|offset| offset.checked_add(stub_bytes))
        .and_then(|offset| data_range(zip, offset, compressed_bytes))
        .ok_or_else(|| broken_entry(raw_name))?;
    let is_unix = made_on == MADE_ON_UNIX || made_on == MADE_ON_MACOS;
    let name = if is_unix || !raw_name.contains(&b'\\') {
        Cow::Borrowed(raw_name)
    } else {
        Cow::Owned(raw_name.iter().map(|&byte| if byte == b'\\' { b'/' } else { byte }).collect())
    };
    let kind = kind(&name, if is_unix { attributes >> 16 } else { 0 });
    Ok((Header { name, kind, method, crc32, data, size_bytes }, next))
}

/// Size, compressed size and offset, from the zip64 field where the 32-bit ones are full.
fn sizes(fixed: &[u8], extra: &[u8]) -> Option<(u64, u64, u64)> {
    let mut wide = wide_field(extra);
    let mut pick = |narrow: u32| {
        if narrow != u32::MAX {
            return Some(u64::from(narrow));
        }
        let value = u64_at(wide, 0)?;
        wide = &wide[8..];
        Some(value)
    };
    let size = pick(u32_at(fixed, 24)?)?;
    let compressed = pick(u32_at(fixed, 20)?)?;
    let offset = pick(u32_at(fixed, 42)?)?;
    Some((size, compressed, offset))
}

fn wide_field(mut extra: &[u8]) -> &[u8] {
    while let (Some(id), Some(bytes)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Some(body) = extra.get(4..4 + usize::from(bytes)) else { break };
        if id == ZIP64_EXTRA {
            return body;
        }
        extra = &extra[4 + usize::from(bytes)..];
    }
    &[]
}

/// Where the data of the local header at `offset` lie.
fn data_range(zip: &[u8], offset: usize, compressed_bytes: u64) -> Option<Range<usize>> {
    (u32_at(zip, offset)? == LOCAL_SIGNATURE).then_some(())?;
    let name_bytes = usize::from(u16_at(zip, offset + 26)?);
    let extra_bytes = usize::from(u16_at(zip, offset + 28)?);
    let start = offset.checked_add(LOCAL_BYTES + name_bytes + extra_bytes)?;
    let end = start.checked_add(usize::try_from(compressed_bytes).ok()?)?;
    (end <= zip.len()).then_some(start..end)
}

fn kind(name: &[u8], mode: u32) -> Kind {
    match mode & 0o170_000 {
        0o040_000 => Kind::Directory,
        _ if name.ends_with(b"/") => Kind::Directory,
        0 | 0o100_000 => Kind::File { executable: mode & 0o111 != 0 },
        0o120_000 => Kind::Symlink,
        _ => Kind::Special,
    }
}

fn refuse_overlaps(headers: &[Header<'_>], directory_start: usize) -> Result<(), PackageError> {
    let mut ranges: Vec<_> = headers.iter().map(|header| (header.data.start, header.data.end)).collect();
    ranges.sort_unstable();
    if ranges.last().is_some_and(|&(_, end)| end > directory_start) {
        return Err(broken("an entry's data reach into the directory"));
    }
    // Each entry has a local header in front of its data; two entries never share it.
    if ranges.windows(2).any(|pair| pair[1].0 < pair[0].1 + LOCAL_BYTES) {
        return Err(broken("entries overlap"));
    }
    Ok(())
}

fn broken(reason: &str) -> PackageError {
    PackageError::Broken { reason: reason.to_owned() }
}

fn broken_entry(name: &[u8]) -> PackageError {
    PackageError::Broken { reason: format!("the entry {:?} is not where it should be", String::from_utf8_lossy(name)) }
}

fn slice(bytes: &[u8], start: usize, length: usize) -> Result<&[u8], PackageError> {
    start
        .checked_add(length)
        .and_then(|end| bytes.get(start..end))
        .ok_or_else(|| broken("its directory ends too early"))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_le_bytes)
}
