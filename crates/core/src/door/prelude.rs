//! The first part of a streamed answer: JSON with status and headers, eight NUL bytes, then the body.

use super::answer::{Output, head};
use super::body::media_type;
use super::header::AnswerHeaders;
use super::{AnswerHead, Door, Malformed};

/// The content type that announces a prelude.
pub const PRELUDE_CONTENT_TYPE: &str = "application/vnd.awslambda.http-integration-response";
/// The most bytes of JSON that a prelude may have.
pub const PRELUDE_BYTES_MAX: usize = 64 * 1024;
/// How many NUL bytes stand between a prelude's JSON and the body.
const SEPARATOR_BYTES: usize = 8;

/// Whether a streamed answer of this content type begins with a prelude.
#[must_use]
pub fn has_prelude(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|content_type| media_type(content_type) == PRELUDE_CONTENT_TYPE)
}

/// The head of a streamed answer without a prelude: 200, with the content type that the runtime gave
/// (`application/octet-stream` where it gave none or one that cannot be sent).
#[must_use]
pub fn plain_head(content_type: Option<&str>) -> AnswerHead {
    let mut headers = AnswerHeaders::new(Door::Url);
    if content_type.is_none_or(|content_type| headers.add("content-type", content_type).is_err()) {
        return AnswerHead {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/octet-stream".to_owned())],
        };
    }
    AnswerHead { status: 200, headers: headers.finish(200) }
}

/// What a chunk brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreludeStep {
    /// The prelude goes on in the next chunk.
    NeedMore,
    /// The prelude is complete.
    Done {
        /// What it says.
        head: AnswerHead,
        /// Where the body begins in the chunk that was fed last (its length if it begins with the next one).
        body_offset: usize,
    },
}

/// Reads a prelude from chunks of any size.
#[derive(Clone, Debug)]
pub struct PreludeReader {
    door: Door,
    json: Vec<u8>,
    separator_bytes: usize,
}

impl PreludeReader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new(door: impl Into<Door>) -> Self {
        Self { door: door.into(), json: Vec::new(), separator_bytes: 0 }
    }

    /// Takes the next chunk. After [`PreludeStep::Done`] or an error there is nothing more to feed.
    ///
    /// # Errors
    /// [`Malformed`] when the prelude is too long, no JSON object, or names what cannot be sent.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<PreludeStep, Malformed> {
        let mut offset = 0;
        if self.separator_bytes == 0 {
            offset = chunk.iter().position(|byte| *byte == 0).unwrap_or(chunk.len());
            if self.json.len() + offset > PRELUDE_BYTES_MAX {
                return Err(Malformed::new(format!("its prelude has more than {PRELUDE_BYTES_MAX} bytes")));
            }
            self.json.extend_from_slice(&chunk[..offset]);
        }
        while self.separator_bytes < SEPARATOR_BYTES {
            match chunk.get(offset) {
                None => return Ok(PreludeStep::NeedMore),
                Some(0) => self.separator_bytes += 1,
                Some(_) => return Err(Malformed::new("its prelude must end with eight NUL bytes")),
            }
            offset += 1;
        }
        Ok(PreludeStep::Done { head: self.head()?, body_offset: offset })
    }

    /// What is wrong with a stream that ended before its prelude did.
    #[must_use]
    pub fn ended(&self) -> Malformed {
        Malformed::new("it ended before the eight NUL bytes that end a prelude")
    }

    fn head(&self) -> Result<AnswerHead, Malformed> {
        let output = Output::parse(&self.json)?;
        let status = output.status()?.unwrap_or(200);
        head(self.door, status, &output.merged_headers()?, &output.cookies()?)
    }
}
