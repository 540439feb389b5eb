//! The execution environments of one machine.

pub mod code_cache;
pub mod packs;
pub mod preparation;
