//! Names with values, where a name may stand several times: headers and queries, and how events show them.

use std::collections::HashMap;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Written as a JSON object in the order of the list, whose names must differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Members<V>(pub(super) Vec<(String, V)>);

impl<V: Serialize> Serialize for Members<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<V> Members<V> {
    /// None when there is nothing: what many events leave out or write as null.
    pub(super) fn non_empty(self) -> Option<Self> {
        if self.0.is_empty() { None } else { Some(self) }
    }
}

/// The values of each name, names in order of first arrival.
pub(super) fn lists(pairs: &[(String, String)]) -> Members<Vec<String>> {
    let mut members: Vec<(String, Vec<String>)> = Vec::new();
    for ((name, value), place) in pairs.iter().zip(places(pairs)) {
        match members.get_mut(place) {
            Some((_, values)) => values.push(value.clone()),
            None => members.push((name.clone(), vec![value.clone()])),
        }
    }
    Members(members)
}

/// The values of each name joined by commas. Takes the pairs apart, because this is on the way of each request.
pub(super) fn joined(pairs: Vec<(String, String)>) -> Members<String> {
    let places = places(&pairs);
    let mut members: Vec<(String, String)> = Vec::with_capacity(pairs.len());
    for ((name, value), place) in pairs.into_iter().zip(places) {
        match members.get_mut(place) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => members.push((name, value)),
        }
    }
    Members(members)
}

/// For each pair the number of its name among the different ones, in order of first arrival.
fn places(pairs: &[(String, String)]) -> Vec<usize> {
    let mut known: HashMap<&str, usize> = HashMap::with_capacity(pairs.len());
    let mut places = Vec::with_capacity(pairs.len());
    for (name, _) in pairs {
        let next = known.len();
        places.push(*known.entry(name).or_insert(next));
    }
    places
}

/// The last value of each name.
pub(super) fn last(pairs: &[(String, String)]) -> Members<String> {
    let last = |mut values: Vec<String>| values.pop().unwrap_or_default();
    Members(lists(pairs).0.into_iter().map(|(name, values)| (name, last(values))).collect())
}
