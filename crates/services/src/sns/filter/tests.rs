//! Filter policies.
