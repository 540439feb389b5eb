//! Follows the frames of an HTTP/2 connection without looking into them: a request head that is begun must be
//! finished, and frames that ask for work but carry no request must not come without end.

use super::allowance::Allowance;

/// Length, type, flags and stream of a frame (RFC 9113, section 4.1).
const FRAME_HEAD_BYTES: usize = 9;
const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const PRIORITY: u8 = 0x2;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const CONTINUATION: u8 = 0x9;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
/// Frames without a request that may come at once: a client that measures its line pings with each piece of an answer.
const BARE_FRAMES_MAX: u32 = 10_000;
/// And that may come again each second.
const BARE_FRAMES_PER_S: u32 = 1_000;

/// Where in its frames a connection is.
#[derive(Debug)]
pub(in crate::edge) struct Frames {
    /// Bytes of the connection's preface or of a frame's payload that are still to come.
    left: usize,
    head: [u8; FRAME_HEAD_BYTES],
    head_length: usize,
    /// The frame whose payload is being received is no DATA.
    is_control: bool,
    /// A HEADERS frame has come, and the CONTINUATION that ends it has not.
    in_header_block: bool,
    bare: Allowance,
}

/// The client sends frames that only make work.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::edge) struct Flood;

impl Frames {
    /// At the beginning of a connection whose preface, of that many bytes, is still to come.
    pub(in crate::edge) fn after(preface_bytes: usize) -> Self {
        Self {
            left: preface_bytes,
            head: [0; FRAME_HEAD_BYTES],
            head_length: 0,
            is_control: false,
            in_header_block: false,
            bare: Allowance::new(BARE_FRAMES_MAX, BARE_FRAMES_PER_S),
        }
    }

    /// Takes what was received.
    pub(in crate::edge) fn take(&mut self, mut bytes: &[u8]) -> Result<(), Flood> {
        while !bytes.is_empty() {
            if self.left > 0 {
                let skipped = self.left.min(bytes.len());
                self.left -= skipped;
                bytes = &bytes[skipped..];
                continue;
            }
            let taken = (FRAME_HEAD_BYTES - self.head_length).min(bytes.len());
            self.head[self.head_length..self.head_length + taken].copy_from_slice(&bytes[..taken]);
            self.head_length += taken;
            bytes = &bytes[taken..];
            if self.head_length == FRAME_HEAD_BYTES {
                self.begin_frame()?;
            }
        }
        Ok(())
    }

    /// True in the middle of a request head, or of another frame that is no part of a body.
    pub(in crate::edge) fn is_unfinished(&self) -> bool {
        self.in_header_block || self.head_length > 0 || (self.left > 0 && self.is_control)
    }

    fn begin_frame(&mut self) -> Result<(), Flood> {
        let [a, b, c, kind, flags, ..] = self.head;
        self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.head_length = 0;
        self.is_control = kind != DATA;
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_header_block = flags & END_HEADERS == 0;
        }
        let is_bare = match kind {
            PING | SETTINGS => flags & ACK == 0,
            PRIORITY => true,
            DATA | CONTINUATION => self.left == 0,
            _ => false,
        };
        if is_bare && !self.bare.take() { Err(Flood) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut bytes = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        bytes.extend(payload);
        bytes
    }

    /// Whether something is unfinished after each of the bytes.
    fn course(bytes: &[u8]) -> Vec<bool> {
        let mut frames = Frames::after(0);
        bytes.iter().map(|byte| frames.take(&[*byte]).map(|()| frames.is_unfinished()).unwrap()).collect()
    }

    #[tokio::test]
    async fn a_head_is_unfinished_until_its_last_byte() {
        let bytes = frame(HEADERS, END_HEADERS, b"abc");
        let mut expected = vec![true; bytes.len() - 1];
        expected.push(false);
        assert_eq!(course(&bytes), expected);
        let split =
            [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, 0, b""), frame(CONTINUATION, END_HEADERS, b"d")].concat();
        let mut expected = vec![true; split.len() - 1];
        expected.push(false);
        assert_eq!(course(&split), expected);
    }

    #[tokio::test]
    async fn the_middle_of_a_body_is_not_unfinished() {
        let course = course(&frame(DATA, 0, b"abcd"));
        assert_eq!(course[FRAME_HEAD_BYTES - 1..], [false; 5]);
    }

    #[tokio::test]
    async fn pieces_and_wholes_are_the_same() {
        let mut frames = Frames::after(24);
        let bytes = [vec![b'x'; 24], frame(SETTINGS, 0, b"123456"), frame(HEADERS, 0, b"abc")].concat();
        frames.take(&bytes).unwrap();
        assert!(frames.is_unfinished());
        frames.take(&frame(CONTINUATION, END_HEADERS, b"")).unwrap();
        assert!(!frames.is_unfinished());
    }

    #[tokio::test(start_paused = true)]
    async fn pings_settings_and_empty_data_are_counted_and_answers_are_not() {
        for (kind, flags, flood) in [
            (PING, 0, true),
            (SETTINGS, 0, true),
            (PRIORITY, 0, true),
            (DATA, 0, true),
            (PING, ACK, false),
            (HEADERS, END_HEADERS, false),
        ] {
            let mut frames = Frames::after(0);
            let all = frame(kind, flags, b"").repeat(BARE_FRAMES_MAX as usize);
            assert_eq!(frames.take(&all), Ok(()));
            let one = frame(kind, flags, b"");
            assert_eq!(frames.take(&one), if flood { Err(Flood) } else { Ok(()) }, "{kind}");
            tokio::time::advance(std::time::Duration::from_millis(10)).await;
            assert_eq!(frames.take(&one.repeat(5)), Ok(()));
        }
    }
}
