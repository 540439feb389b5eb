//! Fake clock, seeded faults and launchers of real servers, for tests only.
