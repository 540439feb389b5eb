//! Hostile and ordinary zips.
