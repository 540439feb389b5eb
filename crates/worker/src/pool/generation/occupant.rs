//! What a generation queues, as far as the queue has to know it.

use std::fmt::Debug;
use std::time::Duration;

use crate::environment::Environment;

/// Something that serves one invoke after the other. Dropped, it is gone.
pub(crate) trait Occupant: Debug + Send + 'static {
    /// Whether it may serve another invoke.
    fn is_good(&self) -> bool;
    /// Whether provisioned concurrency keeps it ready.
    fn is_provisioned(&self) -> bool;
    /// Whether provisioned concurrency kept it ready and does so no longer; then it ends.
    fn is_released(&self) -> bool;
    /// Whether what made it has ended, and with it whatever ran there.
    fn is_outlived(&self) -> bool;
    /// Whether it runs, and may run several invokes at once where its version lets it.
    fn takes_several(&self) -> bool;
    /// Nothing runs in it any more; it may be frozen.
    fn rest(&self);
    /// When it began to be made, on the machine's clock.
    fn began(&self) -> Duration;
}

impl Occupant for Box<Environment> {
    fn is_good(&self) -> bool {
        Environment::is_good(self)
    }

    fn is_provisioned(&self) -> bool {
        Environment::is_provisioned(self)
    }

    fn is_released(&self) -> bool {
        Environment::is_released(self)
    }

    fn is_outlived(&self) -> bool {
        Environment::is_outlived(self)
    }

    fn takes_several(&self) -> bool {
        Environment::takes_several(self)
    }

    fn rest(&self) {
        Environment::rest(self);
    }

    fn began(&self) -> Duration {
        Environment::began(self)
    }
}
