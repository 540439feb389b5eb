//! The execution environments of one machine.

pub mod code_cache;
pub mod network;
pub mod packs;
pub mod preparation;
