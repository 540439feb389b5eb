//! The APIs of the neighbours that a Lambda user needs at hand, a folder each.
//!
//! They know the store and the wire shapes, and nothing of how functions run.

pub mod autoscaling;
pub mod iam;
pub mod logs;
pub mod sts;
