//! Fake clock, fake environments and stores that fail on demand: what the tests of several crates need.
//!
//! Only ever a dev-dependency. Everything here is controlled from the test; nothing sleeps.

// What a test cannot set up is the test's failure.
#![allow(clippy::missing_panics_doc, reason = "test support")]

mod clock;
mod environments;
mod event_queue;
mod functions;
mod memory;
mod schedules;
mod store;
mod wait;

pub use clock::{FakeClock, RuntimeClock};
pub use environments::{FakeEnvironments, FakeLease, Plan};
pub use event_queue::FakeQueue;
pub use functions::{active_function, put_function, scope, settle, settle_version};
pub use memory::{MemoryStore, Seeded};
pub use schedules::run_schedules;
pub use store::{TestStore, faulty_store, store};
pub use wait::{BOUND, eventually};
