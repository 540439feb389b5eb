//! The limits of an event, checked before anything is run for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::IgnoredAny;
use tindra_core::limits;

use crate::InvokeError;
use crate::request::{InvokeRequest, Mode};

/// An event that may be delivered.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) payload: Bytes,
    /// Decoded.
    pub(crate) client_context: Option<String>,
}

impl Event {
    /// Takes the event out of a request when it keeps to the limits.
    pub(crate) fn read(request: &InvokeRequest) -> Result<Self, InvokeError> {
        let bytes_max = match request.mode {
            Mode::Event => limits::ASYNC_REQUEST_BYTES_MAX,
            Mode::RequestResponse | Mode::ResponseStream | Mode::DryRun => limits::SYNC_REQUEST_BYTES_MAX,
        };
        if request.payload.len() > bytes_max {
            return Err(InvokeError::PayloadTooLarge { bytes_max });
        }
        let payload = match request.payload.is_empty() {
            // A call without an event is a call with an empty one.
            true => Bytes::from_static(b"{}"),
            false => request.payload.clone(),
        };
        check_json(&payload).map_err(|reason| InvokeError::PayloadNotJson { reason })?;
        let client_context = request.client_context.as_deref().map(read_client_context).transpose()?;
        Ok(Self { payload, client_context })
    }
}

/// Walks over the text without building anything and without recursion, so that neither size nor depth of
/// the event costs memory.
fn check_json(bytes: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    serde_json::from_str::<IgnoredAny>(text).map(|_| ()).map_err(|error| error.to_string())
}

fn read_client_context(base64: &str) -> Result<String, InvokeError> {
    if base64.len() > limits::CLIENT_CONTEXT_BYTES_MAX {
        return Err(InvokeError::ClientContextTooLarge);
    }
    let bytes = STANDARD.decode(base64).map_err(|_| InvokeError::ClientContextNotJson)?;
    let text = String::from_utf8(bytes).map_err(|_| InvokeError::ClientContextNotJson)?;
    // It travels in a header to the function, where a line break would end it.
    if !text.trim_start().starts_with('{') || text.chars().any(char::is_control) {
        return compact(&text);
    }
    check_json(text.as_bytes()).map_err(|_| InvokeError::ClientContextNotJson)?;
    Ok(text)
}

/// Writes a JSON object anew on one line.
fn compact(text: &str) -> Result<String, InvokeError> {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(text).map_err(|_| InvokeError::ClientContextNotJson)?;
    serde_json::to_string(&object).map_err(|_| InvokeError::ClientContextNotJson)
}

#[cfg(test)]
mod tests {
    use super::{check_json, read_client_context};
    use crate::InvokeError;

    #[test]
    fn json_is_json() {
        for good in ["{}", "1", "null", "\"é\"", " [1, {\"a\": \"\\ud83d\"}]\n", "1e400"] {
            assert_eq!(check_json(good.as_bytes()), Ok(()), "{good}");
        }
        for bad in [&b"{"[..], b"{} {}", b"nul", b"{'a':1}", b"\"\xff\"", b"[1,]", b"01", b"\xef\xbb\xbf{}", b" "] {
            assert!(check_json(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn depth_costs_nothing() {
        let depth = 3_000_000;
        let deep = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check_json(deep.as_bytes()), Ok(()));
    }

    #[test]
    fn client_contexts_are_objects_in_base64() {
        assert_eq!(read_client_context("eyJhIjoxfQ==").unwrap(), r#"{"a":1}"#);
        // {\n "a": 1\n}
        assert_eq!(read_client_context("ewogImEiOiAxCn0=").unwrap(), r#"{"a":1}"#);
        for bad in ["%%%", "bm8=", "MQ==", ""] {
            assert!(matches!(read_client_context(bad), Err(InvokeError::ClientContextNotJson)), "{bad}");
        }
        let long = "A".repeat(3_584);
        assert!(matches!(read_client_context(&long), Err(InvokeError::ClientContextTooLarge)));
    }
}
