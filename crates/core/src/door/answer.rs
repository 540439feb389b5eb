//! What a function's output means as an HTTP answer: one file per door, and what they share.

mod alb;
mod members;
mod output;
mod payload_1;
mod payload_2;
mod rest;

pub use alb::alb_answer;
pub use payload_1::answer_1;
pub use payload_2::{Door2, answer_2};
pub use rest::{RestAnswering, rest_answer};

pub(super) use output::{Output, head, json, kind};

/// The kinds of doors, where their answers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A function URL.
    Url,
    /// An HTTP API.
    HttpApi,
    /// A REST API.
    Rest,
    /// An Application Load Balancer.
    LoadBalancer,
}

impl From<Door2> for Door {
    fn from(door: Door2) -> Self {
        match door {
            Door2::Url => Self::Url,
            Door2::HttpApi => Self::HttpApi,
        }
    }
}

/// An answer to send: status line, headers and the whole body.
///
/// The headers hold no `content-length`, `transfer-encoding` or other header of the connection: the listener
/// sets those from the body. Names are tokens and values hold no line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// 200-599.
    pub status: u16,
    /// The text after the status (`statusDescription` of load balancers); none for the standard one.
    pub reason: Option<String>,
    /// Names in lower case; `set-cookie` and others perhaps several times.
    pub headers: Vec<(String, String)>,
    /// Perhaps empty.
    pub body: Vec<u8>,
}

/// An [`HttpAnswer`] whose body is still to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerHead {
    /// 200-599.
    pub status: u16,
    /// As in [`HttpAnswer::headers`].
    pub headers: Vec<(String, String)>,
}

/// An output that the door cannot read as an answer: clients get 502 (function URLs: `Internal Server Error`;
/// API Gateway: `{"message":"Internal server error"}`, HTTP APIs with 500).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the function's output is no HTTP answer: {why}")]
pub struct Malformed {
    /// For the function's author, for example `statusCode must be a whole number from 100 to 599, not "abc"`.
    pub why: String,
}

impl Malformed {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}
