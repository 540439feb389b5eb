//! Rules of a load balancer's listener, as the configuration has them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A rule as `[[listener_rules]]` of the file has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerRuleSettings {
    /// Rules are tried from the lowest to the highest; no two are the same.
    pub priority: u32,
    /// Host names, with `*` and `?`; none of them may be the API's own (`localhost`, an address).
    pub hosts: Vec<String>,
    /// Paths, with `*` and `?`. Default: all.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Methods, for example `GET`. Default: all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// Headers by name, each with patterns of which one must match. Default: none is asked for.
    #[serde(default)]
    pub headers: BTreeMap<String, Vec<String>>,
    /// Patterns for `key=value` or for any `value` of the query, of which one must match. Default: none is asked for.
    #[serde(default)]
    pub query: Vec<String>,
    /// The function that it forwards to, in the server's account and region.
    pub function: String,
    /// An alias of the function. Default: none.
    pub alias: Option<String>,
    /// The name of the target group. Default: the function's.
    pub target_group: Option<String>,
    /// The target group's `lambda.multi_value_headers.enabled`. Default false.
    #[serde(default)]
    pub multi_value_headers: bool,
}
