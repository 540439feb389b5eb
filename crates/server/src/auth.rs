//! Who calls, and whether they may.
//!
//! With auth off the operator's address is on loopback and believes what a request says. With sigv4 every
//! signature is verified against a key that the server knows: the operator's own, those of the configuration,
//! and on a function's endpoint the temporary ones of that environment, and no others.

use std::collections::HashMap;

use bytes::Bytes;
use http::request::Parts;
use tindra_control::Principal;
use tindra_core::clock::UnixMs;
use tindra_core::function::Scope;
use tindra_model::{ApiError, Operation, Service, signing};

use crate::config::{self, AccessKey};
use crate::credentials::RootKey;
use crate::edge::{Claim, Peer};

/// Somebody who may be answered.
#[derive(Clone, Debug)]
pub struct Who {
    /// Account and region that they mean.
    pub scope: Scope,
    /// The operator, or an execution role.
    pub principal: Principal,
}
