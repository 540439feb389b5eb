//! Streams with shards (Kinesis, DynamoDB Streams) or partitions (Kafka): what is read next, what becomes of a batch, and how far a shard is done.
//!
//! Pure: the time and all that happens come in, and what to do goes out. A [`ShardWork`] holds what was read of one shard and is
//! not done: its records wait in lanes, each of which keeps the order of its keys and works on one batch at a time. A
//! [`ShardRecord`] is what is durable of a shard, above all its position, which never lies behind a record that is not done.

mod attempts;
mod discarded;
mod frame;
mod kafka;
mod lane;
mod position;
mod record;
mod sequence;
mod shards;
mod share;
mod verdict;
mod window;
mod work;

pub use attempts::{Batch, LastInvoke, Retrying};
pub use discarded::{DiscardReason, Discarded};
pub use frame::Frame;
pub use kafka::{KafkaRecord, KafkaTime, Partition};
pub use position::{ShardPosition, ShardRecord};
pub use record::{StreamRecord, passes};
pub use sequence::compare_sequences;
pub use shards::{Reconciled, ShardInfo, is_runnable, reconcile};
pub use share::{PollerRecord, share};
pub use verdict::{BatchEnd, judge};
pub use window::OpenWindow;
pub use work::{Ended, ShardWork, Step};

#[cfg(test)]
mod tests;
