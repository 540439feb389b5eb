//! The nouns and the rules of Lambda, pure and synchronous.
//!
//! Everything here is plain data and arithmetic: no I/O, no async, no storage, no HTTP. Time and randomness
//! come in as arguments, so that every rule can be tested with a made-up clock. The other crates meet in
//! these types; start with [`function`] (what is deployed) and [`limits`] (every figure that holds).

pub mod alias;
pub mod async_invoke;
pub mod clock;
pub mod code_package;
pub mod cpu;
pub mod door;
pub mod event_invoke_config;
pub mod event_pattern;
pub mod event_source_mapping;
pub mod function;
pub mod function_url;
pub mod keep_warm;
pub mod layer;
pub mod limits;
pub mod lineage;
pub mod managed_instances;
pub mod name;
pub mod policy;
pub mod provisioned;
pub mod push;
pub mod rate;
pub mod report;
pub mod runtime;
pub mod scaling;
pub mod schedule;
pub mod stream_pace;
pub mod tenant;
