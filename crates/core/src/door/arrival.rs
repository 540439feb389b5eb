//! How a request came to the door: what the door adds to the headers that a function sees.

use super::HttpRequest;
use super::header::is_hop_by_hop;

/// The connection's side of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival<'a> {
    /// The port that the client connected to: `x-forwarded-port`.
    pub port: u16,
    /// Whether it came by TLS: `x-forwarded-proto` is `https` or `http`.
    pub tls: bool,
    /// `x-amzn-trace-id`, for example `Root=1-5e9f0c65-1de4d666d4dd26aced652b6c`. A trace id of the client's
    /// is replaced by it.
    pub trace_id: &'a str,
}

/// What the door sets itself, whatever the client sent under these names.
const OWN: [&str; 5] = ["host", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto", "x-amzn-trace-id"];

/// Headers that clients write with capitals and that functions behind REST APIs look for in that spelling; a
/// listener that knows no more than the lower-case name still gives them what they expect.
const CAPITALISED: [&str; 25] = [
    "Accept",
    "Accept-Charset",
    "Accept-Encoding",
    "Accept-Language",
    "Authorization",
    "Cache-Control",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "Cookie",
    "Host",
    "If-Match",
    "If-Modified-Since",
    "If-None-Match",
    "Origin",
    "Pragma",
    "Range",
    "Referer",
    "Sec-WebSocket-Extensions",
    "Sec-WebSocket-Key",
    "Sec-WebSocket-Protocol",
    "Sec-WebSocket-Version",
    "User-Agent",
    "Via",
    "X-Amzn-Trace-Id",
];

/// Those that HTTP APIs write with capitals in format 1.0, where all other names are in lower case.
const CAPITALISED_1: [&str; 4] = ["Content-Length", "Host", "User-Agent", "X-Amzn-Trace-Id"];

/// The headers of a request as functions see them: those of the connection left out, those of the door added.
/// Names are in lower case.
pub(super) fn event_headers(request: &HttpRequest<'_>, arrival: &Arrival<'_>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .filter(|(name, _)| !is_hop_by_hop(name) && !OWN.contains(&name.as_str()))
        .collect();
    headers.extend(own(request, arrival));
    headers
}

/// As [`event_headers`] for REST and WebSocket APIs: names as they came or as clients usually write them, and
/// without `content-length`.
pub(super) fn rest_headers(request: &HttpRequest<'_>, arrival: &Arrival<'_>) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = request
        .headers
        .iter()
        .filter(|(name, _)| {
            let lower = name.to_ascii_lowercase();
            !is_hop_by_hop(&lower) && !OWN.contains(&lower.as_str()) && lower != "content-length"
        })
        .cloned()
        .collect();
    headers.extend(own(request, arrival));
    for (name, _) in &mut headers {
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            capitalise(name, &CAPITALISED);
        }
    }
    headers
}

/// As [`event_headers`] for format 1.0 of HTTP APIs.
pub(super) fn headers_1(request: &HttpRequest<'_>, arrival: &Arrival<'_>) -> Vec<(String, String)> {
    let mut headers = with_length(event_headers(request, arrival), request.body.len());
    for (name, _) in &mut headers {
        capitalise(name, &CAPITALISED_1);
    }
    headers
}

/// Adds `content-length` where the request has none (HTTP APIs always show it).
pub(super) fn with_length(mut headers: Vec<(String, String)>, length: usize) -> Vec<(String, String)> {
    if !headers.iter().any(|(name, _)| name == "content-length") {
        headers.push(("content-length".to_owned(), length.to_string()));
    }
    headers
}

fn capitalise(name: &mut String, spellings: &[&str]) {
    let forwarded = ["X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"];
    if let Some(spelling) = spellings.iter().chain(&forwarded).find(|spelling| spelling.eq_ignore_ascii_case(name)) {
        *name = (*spelling).to_owned();
    }
}

fn own(request: &HttpRequest<'_>, arrival: &Arrival<'_>) -> Vec<(String, String)> {
    let mut path: Vec<&str> = request.header_values("x-forwarded-for").collect();
    path.push(request.source_ip);
    let text = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    vec![
        text("host", request.header("host").unwrap_or(request.host)),
        text("x-amzn-trace-id", arrival.trace_id),
        text("x-forwarded-for", &path.join(", ")),
        text("x-forwarded-port", &arrival.port.to_string()),
        text("x-forwarded-proto", if arrival.tls { "https" } else { "http" }),
    ]
}
