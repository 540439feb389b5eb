//! The APIs of the neighbours that a Lambda user needs at hand, a folder each.
//!
//! They know the store and the wire shapes, and nothing of how functions run. What one of them has for another, or for a
//! function, is a push (`core::push`): it is durable with the change that it follows from ([`outbox`]), and the target takes
//! it ([`receive`]).

mod asker;
pub mod autoscaling;
pub mod eventbridge;
mod followed;
pub mod iam;
mod instant;
pub mod kinesis;
pub mod logs;
pub mod outbox;
pub mod receive;
pub mod scheduler;
pub mod sns;
pub mod sqs;
pub mod sts;
mod surroundings;
#[cfg(test)]
mod test_surroundings;

pub use asker::Asker;
pub use surroundings::Surroundings;
