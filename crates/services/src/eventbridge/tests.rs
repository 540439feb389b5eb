//! The service over a real store, with a clock that a test holds.
