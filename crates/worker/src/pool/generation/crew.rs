//! Environments that run some invokes and may run more, of versions that let them.
//!
//! An environment is in a crew from its first invoke until it runs none; then it is idle like any other. The fullest one that has
//! a seat is joined first, so that the others can come to rest.

use std::sync::Arc;

use super::Occupant;

/// See the module.
#[derive(Debug)]
pub(super) struct Crews<E> {
    all: Vec<Crew<E>>,
    seats: usize,
    next_number: u64,
}

#[derive(Debug)]
struct Crew<E> {
    number: u64,
    environment: Arc<E>,
    running: usize,
}

/// A seat in the environment of the crew with a number.
pub(super) type Seat<E> = (u64, Arc<E>);

impl<E: Occupant> Crews<E> {
    /// With so many seats in each environment.
    pub(super) fn new(seats: usize) -> Self {
        Self { all: Vec::new(), seats, next_number: 0 }
    }

    /// Invokes that an environment runs at once.
    pub(super) fn seats(&self) -> usize {
        self.seats
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Makes an environment the place of several invokes, and takes the first seat; gives back one that cannot be.
    pub(super) fn form(&mut self, environment: E) -> Result<Seat<E>, E> {
        if self.seats == 1 || !environment.takes_several() {
            return Err(environment);
        }
        let (number, environment) = (self.next_number, Arc::new(environment));
        self.next_number += 1;
        self.all.push(Crew { number, environment: Arc::clone(&environment), running: 1 });
        Ok((number, environment))
    }

    /// Takes a seat wherever there is one.
    pub(super) fn join(&mut self) -> Option<Seat<E>> {
        let seats = self.seats;
        let has_seat = |crew: &&mut Crew<E>| crew.running < seats && crew.environment.takes_several();
        let crew = self.all.iter_mut().filter(has_seat).max_by_key(|crew| crew.running)?;
        crew.running += 1;
        Some((crew.number, Arc::clone(&crew.environment)))
    }

    /// Gives a seat back; the environment too when nobody is left, for which no one else may hold it.
    pub(super) fn leave(&mut self, number: u64) -> Option<E> {
        let at = self.all.iter().position(|crew| crew.number == number)?;
        self.all[at].running -= 1;
        if self.all[at].running > 0 {
            return None;
        }
        Arc::into_inner(self.all.swap_remove(at).environment)
    }

    /// Nobody joins it any more; it ends with its last invoke.
    pub(super) fn close(&mut self, number: u64) -> Option<Arc<E>> {
        let at = self.all.iter().position(|crew| crew.number == number)?;
        Some(self.all.swap_remove(at).environment)
    }
}
