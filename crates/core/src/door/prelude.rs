//! The first part of a streamed answer: JSON with status and headers, eight NUL bytes, then the body.

use super::{AnswerHead, Door2, Malformed};

/// The content type that announces a prelude.
pub const PRELUDE_CONTENT_TYPE: &str = "application/vnd.awslambda.http-integration-response";
/// The most bytes of JSON that a prelude may have.
pub const PRELUDE_BYTES_MAX: usize = 64 * 1024;

/// Whether a streamed answer of this content type begins with a prelude.
#[must_use]
pub fn has_prelude(content_type: Option<&str>) -> bool {
    todo!()
}

/// The head of a streamed answer without a prelude: 200, with the content type that the runtime gave
/// (`application/octet-stream` where it gave none or one that cannot be sent).
#[must_use]
pub fn plain_head(content_type: Option<&str>) -> AnswerHead {
    todo!()
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
    door: Door2,
    json: Vec<u8>,
}

impl PreludeReader {
    /// A reader that has seen nothing.
    #[must_use]
    pub fn new(door: Door2) -> Self {
        Self { door, json: Vec::new() }
    }

    /// Takes the next chunk. After [`PreludeStep::Done`] or an error there is nothing more to feed.
    ///
    /// # Errors
    /// [`Malformed`] when the prelude is too long, no JSON object, or names what cannot be sent.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<PreludeStep, Malformed> {
        todo!()
    }

    /// What is wrong with a stream that ended before its prelude did.
    #[must_use]
    pub fn ended(&self) -> Malformed {
        todo!()
    }
}
