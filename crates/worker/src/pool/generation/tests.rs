//! Whose environments a generation has, and when nothing of it is left.

use tindra_testkit::{FakeClock, active_function, scope};

use super::*;
use crate::pool::warmth::Policy;
use crate::worker::KeepWarm;

fn target() -> Target {
    let function = active_function(&scope(), "thing");
    Target::of(&function, &function.desired)
}

fn tenant(name: &str) -> TenantId {
    TenantId::from(name.to_owned())
}

#[test]
fn a_deployment_and_a_tenant_of_it_are_what_environments_are_kept_by() {
    let (one, other) = (target(), target());
    assert_eq!(Key::of(&one), Key::of(&one.clone()));
    assert_eq!(Key::of(&one.for_tenant(tenant("blue"))), Key::of(&one.for_tenant(tenant("blue"))));
    for differs in [other.for_tenant(tenant("blue")), one.for_tenant(tenant("green")), one.clone()] {
        assert_ne!(Key::of(&differs), Key::of(&one.for_tenant(tenant("blue"))));
    }
}

#[test]
fn nothing_is_left_of_who_was_refused() {
    let policy = Policy::new(KeepWarm::default(), Arc::new(FakeClock::at(0)), 1 << 30);
    let warmth = Arc::new(Warmth::new(Arc::new(policy)));
    let generation: Arc<Generation> =
        Arc::new(Generation::new(Arc::new(target().for_tenant(tenant("blue"))), "key".to_owned(), warmth));
    let Taken::WaitAndStart(waiter) = generation.take_or_wait(Duration::ZERO) else { panic!("nothing is there yet") };
    generation.not_started();
    assert!(!generation.is_empty(), "somebody waits");
    drop(waiter);
    assert!(generation.is_empty());
}
