//! The checksums that rows carry, the same in every database: what a disk changes is told from what was written.

use uuid::Uuid;

/// Of a record or of one record of a journal: over its name, its number and its bytes.
pub(crate) fn of_value(name: &str, value: &[u8], number: u64) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(name.len() as u64).to_le_bytes());
    hasher.update(name.as_bytes());
    hasher.update(&number.to_le_bytes());
    hasher.update(value);
    hasher.finalize()
}

/// Of the part of a message that may change.
pub(crate) fn of_head(id: Uuid, queue: &str, head: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id.as_bytes());
    hasher.update(&(queue.len() as u64).to_le_bytes());
    hasher.update(queue.as_bytes());
    hasher.update(head);
    hasher.finalize()
}

/// Of the part of a message that never changes.
pub(crate) fn of_body(id: Uuid, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id.as_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Of a letter, whose head and body never change.
pub(crate) fn of_letter(id: Uuid, head: &[u8], body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(id.as_bytes());
    hasher.update(&(head.len() as u64).to_le_bytes());
    hasher.update(head);
    hasher.update(body);
    hasher.finalize()
}
