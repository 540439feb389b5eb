//! Reserved concurrency, a function's own share of the account's, and provisioned concurrency, environments that
//! are ready beforehand.

mod provisioned;
mod reserved;
mod reserves;

pub(crate) use reserves::Reserves;
