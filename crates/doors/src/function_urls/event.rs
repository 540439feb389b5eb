//! A request to a function URL as the function sees it.

use bytes::Bytes;
use tindra_core::clock::UnixMs;
use tindra_core::door::{Arrival, Authorizer, Door2, HttpCall, HttpRequest, IamIdentity, payload_2};
use tindra_core::function_url::FunctionUrl;

use crate::front_door::{DoorRequest, trace_root};

/// The stage and the route that stand in the event of a URL, which has neither (AWS).
const DEFAULT: &str = "$default";
/// The account of a caller who is not known (AWS).
const ANONYMOUS: &str = "anonymous";

/// A request with what the door adds to it.
pub(super) struct Seen<'a> {
    pub(super) request: HttpRequest<'a>,
    pub(super) trace_id: String,
    url: &'a FunctionUrl,
    arrived: &'a DoorRequest,
}

impl<'a> Seen<'a> {
    pub(super) fn of(arrived: &'a DoorRequest, url: &'a FunctionUrl, now_ms: UnixMs) -> Self {
        let request = arrived.seen(now_ms);
        Self { request, trace_id: arrived.trace_id(now_ms), url, arrived }
    }

    /// The event.
    pub(super) fn payload(&self, caller: Option<IamIdentity>) -> Bytes {
        let trace_id = trace_root(&self.trace_id);
        let arrival = Arrival { port: self.arrived.port, tls: self.arrived.is_tls, trace_id };
        let authorizer = caller.map(Authorizer::Iam);
        let account_id = match &authorizer {
            Some(Authorizer::Iam(identity)) => &identity.account_id,
            _ => ANONYMOUS,
        };
        let call = HttpCall {
            account_id,
            door: Door2::Url,
            api_id: &self.url.id,
            stage: DEFAULT,
            route_key: DEFAULT,
            path_parameters: &[],
            stage_variables: &[],
            authorizer: authorizer.as_ref(),
        };
        payload_2(&self.request, &arrival, &call).into()
    }
}
