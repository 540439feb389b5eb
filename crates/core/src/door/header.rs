//! The headers of an answer: which of the function's go out, and under which name.

use super::{Door, Malformed};

/// The most bytes that the names and values of one answer's headers may have together behind API Gateway
/// (API Gateway quotas, "Total combined size of request line and header values").
const GATEWAY_HEADER_BYTES_MAX: usize = 10_240;
/// The same behind load balancers (Elastic Load Balancing, "HTTP header limits": the whole response header).
const LOAD_BALANCER_HEADER_BYTES_MAX: usize = 32 * 1024;
/// The same behind function URLs (Lambda quotas: request line and headers).
const URL_HEADER_BYTES_MAX: usize = 1024 * 1024;

/// Headers of one connection, which never pass a door in either direction.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers that go out as `x-amzn-remapped-NAME` behind REST APIs and function URLs (API Gateway developer
/// guide, "Important notes for REST APIs").
const REMAPPED: [&str; 10] = [
    "authorization",
    "connection",
    "content-length",
    "content-md5",
    "date",
    "expect",
    "max-forwards",
    "server",
    "user-agent",
    "www-authenticate",
];

pub(super) fn is_hop_by_hop(lower_case_name: &str) -> bool {
    HOP_BY_HOP.contains(&lower_case_name)
}

/// The headers of one answer as they are collected.
#[derive(Clone, Debug)]
pub(super) struct AnswerHeaders {
    door: Door,
    bytes: usize,
    /// Where in the list it is.
    content_type: Option<usize>,
    list: Vec<(String, String)>,
}

impl AnswerHeaders {
    pub(super) fn new(door: Door) -> Self {
        Self { door, bytes: 0, content_type: None, list: Vec::new() }
    }

    /// Takes one header of the function's. A second `content-type` replaces the first; all others add up.
    ///
    /// # Errors
    /// A name that is no token, a value with a control character, or too many bytes in all.
    pub(super) fn add(&mut self, name: &str, value: &str) -> Result<(), Malformed> {
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(Malformed::new(format!("the header name {name:?} holds what names must not hold")));
        }
        let value = value.trim_matches([' ', '\t']);
        if value.bytes().any(is_forbidden_in_value) {
            return Err(Malformed::new(format!("the value of the header \"{name}\" holds a control character")));
        }
        let Some(name) = outgoing_name(self.door, name.to_ascii_lowercase()) else { return Ok(()) };
        self.bytes += name.len() + value.len();
        let most = bytes_max(self.door);
        if self.bytes > most {
            return Err(Malformed::new(format!("its headers have more than {most} bytes")));
        }
        match self.content_type {
            Some(place) if name == "content-type" => self.list[place].1 = value.to_owned(),
            _ => {
                if name == "content-type" {
                    self.content_type = Some(self.list.len());
                }
                self.list.push((name, value.to_owned()));
            }
        }
        Ok(())
    }

    /// All of them, with the door's content type where the function gave none.
    pub(super) fn finish(mut self, status: u16) -> Vec<(String, String)> {
        if may_have_body(status) && self.content_type.is_none() {
            self.list.push(("content-type".to_owned(), default_type(self.door).to_owned()));
        }
        self.list
    }
}

/// Whether an answer of this status has a body (RFC 9110, sections 15.3.5 and 15.4.5).
pub(super) fn may_have_body(status: u16) -> bool {
    !matches!(status, 204 | 304)
}

/// The name in lower case that a function's header goes out under; none when it does not go out.
fn outgoing_name(door: Door, name: String) -> Option<String> {
    let remaps = matches!(door, Door::Url | Door::Rest);
    if remaps && REMAPPED.contains(&name.as_str()) {
        return Some(format!("x-amzn-remapped-{name}"));
    }
    let dropped = is_hop_by_hop(&name) || name == "content-length" || (remaps && matches!(&*name, "host" | "via"));
    if dropped { None } else { Some(name) }
}

fn bytes_max(door: Door) -> usize {
    match door {
        Door::Url => URL_HEADER_BYTES_MAX,
        Door::HttpApi | Door::Rest => GATEWAY_HEADER_BYTES_MAX,
        Door::LoadBalancer => LOAD_BALANCER_HEADER_BYTES_MAX,
    }
}

fn default_type(door: Door) -> &'static str {
    match door {
        Door::Url | Door::Rest => "application/json",
        Door::HttpApi => "text/plain;charset=UTF-8",
        Door::LoadBalancer => "application/octet-stream",
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_forbidden_in_value(byte: u8) -> bool {
    byte.is_ascii_control() && byte != b'\t'
}
