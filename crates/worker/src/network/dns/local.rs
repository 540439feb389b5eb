//! Names that are answered here, without asking anyone.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::message::{Query, TYPE_A, TYPE_AAAA};

/// Where Tindra is, and `sandbox.localdomain`: extensions send telemetry to it (AWS: the sandbox's own address).
const SANDBOX: Ipv4Addr = Ipv4Addr::new(169, 254, 100, 1);

/// The answer to a question about the sandbox itself or about a name that the operator has fixed.
pub(super) fn answer(query: &Query<'_>, hosts: &BTreeMap<String, IpAddr>) -> Option<Vec<u8>> {
    if !query.is_internet() {
        return None;
    }
    let name = query.name();
    if is_front_door(name) {
        return Some(query.respond_with(IpAddr::V4(SANDBOX)));
    }
    if name == "localhost" || name.ends_with(".localhost") {
        return Some(query.respond_with(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    }
    if matches!(name, "sandbox.localdomain" | "sandbox") {
        return Some(query.respond_with(IpAddr::V4(SANDBOX)));
    }
    let address = hosts.get(name)?;
    // Other types of a fixed name (MX, TXT) are still the outside world's.
    matches!(query.kind(), TYPE_A | TYPE_AAAA).then(|| query.respond_with(*address))
}

/// Whether a name is one of an API or of a function URL of this server (`ID.execute-api.REGION.localhost`): these are
/// reached where Tindra is, on the port of `AWS_ENDPOINT_URL`.
fn is_front_door(name: &str) -> bool {
    let kind = name.strip_suffix(".localhost").and_then(|rest| rest.split('.').nth(1));
    matches!(kind, Some("execute-api" | "lambda-url"))
}
