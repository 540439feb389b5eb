//! The execution environments of one machine.
