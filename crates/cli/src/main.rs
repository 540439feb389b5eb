//! The `tindra` binary.
fn main() {}
