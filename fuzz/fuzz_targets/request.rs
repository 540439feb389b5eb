//! Any bytes: a method and a path in the first line, then the body.
#![no_main]

use http::{HeaderMap, Method};
use libfuzzer_sys::fuzz_target;
use tindra_model::{WireRequest, lambda};

fuzz_target!(|data: &[u8]| {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, body) = data.split_at(end);
    let Ok(line) = std::str::from_utf8(line) else { return };
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let Ok(method) = method.parse::<Method>() else { return };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let body = body.get(1..).unwrap_or_default().to_vec().into();
    let request = WireRequest { method: &method, path, query, headers: &HeaderMap::new(), body };
    let Err(error) = lambda().decode(&request) else { return };
    let response = lambda().encode_error(&error, "00000000-0000-4000-8000-000000000000");
    assert!(response.status().is_client_error());
    assert!(serde_json::from_slice::<serde_json::Value>(response.body()).is_ok_and(|body| body.is_object()));
});
