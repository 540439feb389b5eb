//! Receipt handles: which receiving of which message of which mailbox.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tindra_model::ApiError;
use tindra_store::Receipt;
use uuid::Uuid;

use super::record::Queue;

/// Of the mailbox, of the message, and how often it had been received.
const BYTES: usize = 16 + 16 + 4;

pub(super) fn handle(queue: &Queue, receipt: Receipt) -> String {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.extend_from_slice(queue.generation.as_bytes());
    bytes.extend_from_slice(receipt.id.as_bytes());
    bytes.extend_from_slice(&receipt.takes.to_be_bytes());
    STANDARD.encode(bytes)
}

/// What a handle says; none for one of a message that a purge has removed.
pub(super) fn read(queue: &Queue, handle: &str) -> Result<Option<Receipt>, ApiError> {
    let bytes: Option<[u8; BYTES]> = STANDARD.decode(handle).ok().and_then(|bytes| bytes.try_into().ok());
    let Some(bytes) = bytes else {
        let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
        return Err(ApiError::new("ReceiptHandleIsInvalid", message));
    };
    let uuid = |at: usize| bytes[at..at + 16].try_into().map(Uuid::from_bytes).unwrap_or_default();
    let takes = bytes[32..].try_into().map(u32::from_be_bytes).unwrap_or_default();
    Ok((uuid(0) == queue.generation).then(|| Receipt { id: uuid(16), takes }))
}
