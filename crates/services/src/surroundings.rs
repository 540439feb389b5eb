//! What the services stand on.

use std::sync::Arc;

use tindra_core::clock::Timer;
use tindra_outside::anywhere::Reach;
use tindra_store::Store;

use crate::outbox::Outbox;

/// What the services stand on. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// Where everything is.
    pub store: Store,
    /// By which everything waits that may wait long; in tests it is moved by hand.
    pub timer: Arc<dyn Timer>,
    /// What is durable together with what follows from it.
    pub outbox: Arc<dyn Outbox>,
    /// Where users may have requests sent to.
    pub reach: Arc<dyn Reach>,
    /// Whether policies are asked at all; not with auth off.
    pub is_checked: bool,
}
