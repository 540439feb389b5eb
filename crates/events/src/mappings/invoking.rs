//! Running a mapping's function for a batch.

use std::time::Duration;

use bytes::Bytes;
use tindra_core::event_source_mapping::EventSourceMapping;
use tindra_invoke::{InvokeError, InvokeRequest, Mode};
use uuid::Uuid;

/// The first wait before a batch that met a limit is tried again, in real time.
pub(super) const THROTTLE_WAIT: Duration = Duration::from_millis(100);
/// The longest wait before a batch that met a limit is tried again, in real time.
pub(super) const THROTTLE_WAIT_MAX: Duration = Duration::from_secs(5);

/// The invoke of a mapping's function with an event; `trace_id` is the chain that its records are of, so that loops are found.
pub(super) fn request(mapping: &EventSourceMapping, payload: Bytes, trace_id: Option<String>) -> InvokeRequest {
    let EventSourceMapping { scope, function_name, qualifier, .. } = mapping;
    InvokeRequest {
        scope: scope.clone(),
        function: function_name.clone(),
        qualifier: qualifier.clone(),
        mode: Mode::RequestResponse,
        tenant: None,
        log_tail: false,
        client_context: None,
        payload,
        request_id: Uuid::new_v4().to_string(),
        trace_id,
    }
}

/// A limit, or a function that will be ready soon: not the fault of the batch.
pub(super) fn is_passing(error: &InvokeError) -> bool {
    matches!(
        error,
        InvokeError::Throttled(_)
            | InvokeError::TooManyOfTenants { .. }
            | InvokeError::NoCapacity { .. }
            | InvokeError::Pending
            | InvokeError::Internal { .. }
    )
}
