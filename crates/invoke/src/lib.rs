//! What happens when an invoke arrives: resolve, authorise, check limits, admit, acquire, deliver, settle.
//!
//! [`environments`] declares the port through which environments are had; `worker` implements it.

pub mod environments;
