//! As much of AMQP 0-9-1 as a consumer of one queue needs, written after the specification and RabbitMQ's notes on it.
//!
//! [`fields`] reads and writes what frames are made of, [`frame`] frames, [`method`] the methods, [`properties`] what comes with
//! a message; [`handshake`] opens a connection and [`consumer`] takes messages from it.

pub(crate) mod consumer;
mod fields;
mod frame;
mod handshake;
mod method;
pub(crate) mod properties;
pub(crate) mod value;

/// The one channel that is used.
const CHANNEL: u16 = 1;
/// The largest frame that is taken, which is RabbitMQ's default; a broker that has more to send uses several.
const FRAME_BYTES_MAX: u32 = 131_072;
