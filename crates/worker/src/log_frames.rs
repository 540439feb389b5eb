//! Framed log records, as AWS's runtime clients write them to `_LAMBDA_TELEMETRY_LOG_FD`.
//!
//! A frame is `type (4) | length (4) | time in µs since 1970 (8) | message`, all big-endian; the upper half of
//! the type is always `a55a`. Whoever runs in the sandbox can write anything there, so nothing is trusted:
//! a length beyond the bound ends the reading of this frame early, and what is no frame is taken as text, up to
//! where the next frame seems to begin.

use tindra_core::clock::UnixMs;
use tindra_core::limits::LOG_LINE_BYTES_MAX;

const HEADER_BYTES: usize = 16;
/// The type's upper half, and the byte after it, which no level or format reaches.
const MAGIC: [u8; 3] = [0xa5, 0x5a, 0];

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FramedRecord {
    /// When the function says that it was made; `None` when it was not a frame.
    pub(crate) time_ms: Option<UnixMs>,
    /// The message as it is, of at most [`LOG_LINE_BYTES_MAX`] bytes.
    pub(crate) message: Vec<u8>,
}

/// Cuts a stream of bytes into records. Holds at most one record and a header.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    pending: Vec<u8>,
    /// Rest of a message of which the part that fits was handed out already.
    excess: u64,
}

impl FrameReader {
    /// Takes bytes as they came and hands out every record that they complete.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut record: impl FnMut(FramedRecord)) {
        while !bytes.is_empty() {
            if self.excess > 0 {
                let skipped = bytes.len().min(usize::try_from(self.excess).unwrap_or(usize::MAX));
                self.excess -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            let wanted = self.wanted();
            let taken = bytes.len().min(wanted - self.pending.len());
            self.pending.extend_from_slice(&bytes[..taken]);
            bytes = &bytes[taken..];
            if self.pending.len() == self.wanted() {
                self.complete(&mut record);
            }
        }
    }

    /// Hands out what is left of a record that will not be completed.
    pub(crate) fn end(&mut self, mut record: impl FnMut(FramedRecord)) {
        self.excess = 0;
        if self.is_framed() && self.pending.len() > HEADER_BYTES {
            let message = self.pending[HEADER_BYTES..].to_vec();
            record(FramedRecord { time_ms: self.time_ms(), message });
        } else if !self.pending.is_empty() && !self.is_framed() {
            record(FramedRecord { time_ms: None, message: std::mem::take(&mut self.pending) });
        }
        self.pending.clear();
    }

    fn is_framed(&self) -> bool {
        self.pending.len() >= HEADER_BYTES && self.pending.starts_with(&MAGIC)
    }

    /// Bytes that `pending` is to have before something can be decided.
    fn wanted(&self) -> usize {
        if self.is_framed() { HEADER_BYTES + self.length().min(LOG_LINE_BYTES_MAX) } else { HEADER_BYTES }
    }

    /// Where, after the first byte, a frame may begin; the end when nowhere.
    fn next_frame(&self) -> usize {
        let may_begin = |at: &usize| self.pending[*at..].iter().zip(MAGIC).all(|(byte, magic)| *byte == magic);
        (1..self.pending.len()).find(may_begin).unwrap_or(self.pending.len())
    }

    fn length(&self) -> usize {
        let bytes: [u8; 4] = self.pending[4..8].try_into().unwrap_or_default();
        usize::try_from(u32::from_be_bytes(bytes)).unwrap_or(usize::MAX)
    }

    fn time_ms(&self) -> Option<UnixMs> {
        let bytes: [u8; 8] = self.pending.get(8..16)?.try_into().ok()?;
        Some(u64::from_be_bytes(bytes) / 1_000)
    }

    fn complete(&mut self, record: &mut impl FnMut(FramedRecord)) {
        if !self.is_framed() {
            let rest = self.pending.split_off(self.next_frame());
            record(FramedRecord { time_ms: None, message: std::mem::replace(&mut self.pending, rest) });
            return;
        }
        let length = self.length();
        self.excess = (length - length.min(LOG_LINE_BYTES_MAX)) as u64;
        record(FramedRecord { time_ms: self.time_ms(), message: self.pending.split_off(HEADER_BYTES) });
        self.pending.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(time_us: u64, message: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0xa5, 0x5a, 0, 3];
        bytes.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
        bytes.extend(time_us.to_be_bytes());
        bytes.extend(message);
        bytes
    }

    fn read(pieces: &[&[u8]]) -> Vec<FramedRecord> {
        let (mut reader, mut records) = (FrameReader::default(), Vec::new());
        for piece in pieces {
            reader.feed(piece, |record| records.push(record));
        }
        reader.end(|record| records.push(record));
        records
    }

    #[test]
    fn frames_come_out_whole_however_they_are_torn() {
        let bytes = [frame(1_500, b"one\nline"), frame(2_000, b""), frame(3_000, b"two")].concat();
        let expected: Vec<(Option<u64>, &[u8])> = vec![(Some(1), b"one\nline"), (Some(2), b""), (Some(3), b"two")];
        for cut in 0..bytes.len() {
            let records = read(&[&bytes[..cut], &bytes[cut..]]);
            let records: Vec<_> = records.iter().map(|record| (record.time_ms, record.message.as_slice())).collect();
            assert_eq!(records, expected, "cut at {cut}");
        }
    }

    #[test]
    fn a_length_beyond_the_bound_is_cut_and_the_next_frame_is_found() {
        let bytes = [frame(1_000, &vec![b'x'; LOG_LINE_BYTES_MAX + 9]), frame(2_000, b"next")].concat();
        let records = read(&[&bytes]);
        assert_eq!(records[0].message.len(), LOG_LINE_BYTES_MAX);
        assert_eq!(records[1].message, b"next");
    }

    #[test]
    fn what_is_no_frame_is_text_and_a_torn_frame_is_kept() {
        assert_eq!(read(&[b"hello"]), [FramedRecord { time_ms: None, message: b"hello".to_vec() }]);
        assert_eq!(read(&[&frame(1_000, b"torn")[..18]]), [FramedRecord { time_ms: Some(1), message: b"to".to_vec() }]);
    }

    proptest! {
        #[test]
        fn garbage_costs_no_frame_after_it(garbage in proptest::collection::vec(0_u8..0xa5, 0..100), cut in 0_usize..100) {
            let bytes = [garbage.clone(), frame(7_000, b"after")].concat();
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            let records = read(&[first, second]);
            let last = records.last().unwrap();
            prop_assert_eq!((last.time_ms, last.message.as_slice()), (Some(7), b"after".as_slice()));
            let text: Vec<u8> = records[..records.len() - 1].iter().flat_map(|record| record.message.clone()).collect();
            prop_assert_eq!(text, garbage);
        }

        #[test]
        fn garbage_neither_panics_nor_grows(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..200), 0..20)) {
            let mut reader = FrameReader::default();
            for piece in &pieces {
                reader.feed(piece, |record| assert!(record.message.len() <= LOG_LINE_BYTES_MAX));
                prop_assert!(reader.pending.len() <= LOG_LINE_BYTES_MAX + HEADER_BYTES);
            }
        }
    }
}
