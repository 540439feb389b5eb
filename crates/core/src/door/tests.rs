//! AWS's own samples, the rules one by one, and laws that must hold for any input.

mod answers;
mod authorizers;
mod bodies;
mod cors;
mod events;
mod properties;
mod routes;
mod websockets;

use serde_json::Value;

use super::{Arrival, HttpRequest};

const ARRIVAL: Arrival<'_> = Arrival { port: 443, tls: true, trace_id: "Root=1-5e9f0c65-1de4d666d4dd26aced652b6c" };

/// A request without query and body, as `curl` sends it.
fn request(method: &'static str, path: &'static str) -> HttpRequest<'static> {
    HttpRequest {
        method,
        path,
        query: None,
        protocol: "HTTP/1.1",
        host: "aaaaaaaaaa.execute-api.us-west-2.amazonaws.com",
        source_ip: "1.2.3.4",
        headers: headers(&[("accept", "*/*"), ("user-agent", "curl/7.58.0")]),
        body: b"",
        request_id: "LV7fzho-PHcEJPw=",
        time_ms: 1_587_481_701_067,
    }
}

fn headers(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn json(event: &[u8]) -> Value {
    serde_json::from_slice(event).unwrap()
}
