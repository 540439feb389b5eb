//! Reserved concurrency: a function's own share of the account's concurrency, its cap and its guarantee.

mod reserved;
mod reserves;

pub(crate) use reserves::Reserves;
