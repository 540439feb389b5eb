//! Which HTTP a connection speaks, told by its first bytes: HTTP/2 opens every connection with the same 24.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The first bytes of a connection, up to the one that told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Opening {
    bytes: [u8; PREFACE.len()],
    length: u8,
}

impl Opening {
    /// Reads no further than it must: one byte usually tells HTTP/1.1, 24 tell HTTP/2.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut opening = Self::default();
        while opening.is_beginning_of_preface() && opening.bytes().len() < PREFACE.len() {
            let length = usize::from(opening.length);
            let read = stream.read(&mut opening.bytes[length..]).await?;
            if read == 0 {
                break;
            }
            // At most 24.
            opening.length += u8::try_from(read).unwrap_or_default();
        }
        Ok(opening)
    }

    /// What was read.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// True for a client that knows that this server speaks HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.bytes() == PREFACE
    }

    fn is_beginning_of_preface(&self) -> bool {
        PREFACE.starts_with(self.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn opening(pieces: &[&[u8]]) -> Opening {
        let mut builder = tokio_test_stream(pieces);
        Opening::read(&mut builder).await.unwrap()
    }

    /// A stream that gives one piece with each read.
    fn tokio_test_stream(pieces: &[&[u8]]) -> impl AsyncRead + Unpin + use<> {
        let mut whole: Box<dyn AsyncRead + Unpin + Send> = Box::new(tokio::io::empty());
        for piece in pieces.iter().rev() {
            whole = Box::new(io::Cursor::new(piece.to_vec()).chain(whole));
        }
        whole
    }

    #[tokio::test]
    async fn the_preface_tells_and_nothing_is_lost() {
        let whole = opening(&[PREFACE, b"more"]).await;
        assert!(whole.is_http2() && whole.bytes() == PREFACE);
        let pieces = opening(&[&PREFACE[..1], &PREFACE[1..20], &PREFACE[20..]]).await;
        assert!(pieces.is_http2());
        let post = opening(&[b"POST / HTTP/1.1\r\n"]).await;
        assert!(!post.is_http2() && b"POST / HTTP/1.1\r\n".starts_with(post.bytes()) && !post.bytes().is_empty());
        let cut = opening(&[b"PRI * HTTP/2"]).await;
        assert!(!cut.is_http2() && cut.bytes() == b"PRI * HTTP/2");
        assert!(opening(&[]).await.bytes().is_empty());
    }
}
