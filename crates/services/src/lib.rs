//! The APIs of the neighbours that a Lambda user needs at hand.
