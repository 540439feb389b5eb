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
    let mut places: HashMap<&str, usize> = HashMap::with_capacity(pairs.len());
    let mut members: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in pairs {
        let place = *places.entry(name).or_insert_with(|| {
            members.push((name.clone(), Vec::new()));
            members.len() - 1
        });
        members[place].1.push(value.clone());
    }
    Members(members)
}

/// The values of each name joined by commas.
pub(super) fn joined(pairs: &[(String, String)]) -> Members<String> {
    Members(lists(pairs).0.into_iter().map(|(name, values)| (name, values.join(","))).collect())
}

/// The last value of each name.
pub(super) fn last(pairs: &[(String, String)]) -> Members<String> {
    let last = |mut values: Vec<String>| values.pop().unwrap_or_default();
    Members(lists(pairs).0.into_iter().map(|(name, values)| (name, last(values))).collect())
}
