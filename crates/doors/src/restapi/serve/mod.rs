//! The data plane: requests to deployed stages.
//!
//! [`RestApis::answer`] is the list of steps. `table` knows the stages in memory, `throttle` how fast they may be asked,
//! `authorize` who may ask, `keys` and `meter` which API key asks and how often it may, `lambda` and `mock` answer, and
//! `refusal` has the words of what is not answered.

mod authorize;
mod compress;
mod exchange;
mod keys;
mod lambda;
mod meter;
mod mock;
mod parameters;
mod refusal;
mod stage;
mod table;
#[cfg(test)]
mod tests;
mod throttle;

use std::sync::Arc;

use http::HeaderValue;
use tindra_core::clock::Clock;
use tindra_store::{Store, StoreError};

use super::records::IntegrationType;
use crate::front_door::{DoorRequest, DoorResponse, Functions};
use authorize::Authorizers;
use exchange::Exchange;
use meter::Meter;
use refusal::Refusal;
use table::Table;
use throttle::Throttles;

pub use refusal::{too_large, unknown};

/// The deployed stages of every account and region. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RestApis {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    table: Table,
    functions: Arc<dyn Functions>,
    clock: Arc<dyn Clock>,
    authorizers: Authorizers,
    throttles: Throttles,
    meter: Meter,
}

impl RestApis {
    /// Follows the store from now on, so it must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn start(store: Store, functions: Arc<dyn Functions>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let table = Table::start(store.clone()).await?;
        let meter = Meter::start(store);
        let shared = Shared {
            table,
            functions,
            clock,
            authorizers: Authorizers::default(),
            throttles: Throttles::default(),
            meter,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The region of a REST API; none for ids that are not a REST API's. Ids of other APIs have the same form.
    pub async fn region(&self, id: &str) -> Option<String> {
        self.shared.table.caught_up().await;
        self.shared.table.region(id)
    }

    /// Answers a request whose path begins with the name of a stage.
    pub async fn answer(&self, id: &str, request: DoorRequest) -> DoorResponse {
        self.shared.answer(id, request).await
    }

    /// Makes durable what API keys have used. It is done by itself now and then; this is for the end.
    pub async fn flush(&self) {
        self.shared.meter.flush().await;
    }
}

impl Shared {
    async fn answer(&self, id: &str, request: DoorRequest) -> DoorResponse {
        self.table.caught_up().await;
        let path = request.parts.uri.path();
        let name = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        let Some(stage) = self.table.stage(id, name).filter(|stage| !stage.content.is_endpoint_disabled) else {
            return unknown();
        };
        let request = match compress::unpacked(request, stage.content.minimum_compression_bytes.is_some()) {
            Ok(request) => request,
            Err(refusal) => return refusal.respond(&stage.content),
        };
        let exchange = Exchange::new(&stage, &request, self.clock.unix_ms());
        let mut response = match self.walk(&exchange).await {
            Ok(response) => compress::packed(response, &stage.content, &request),
            Err(refusal) => refusal.respond(&stage.content),
        };
        let headers = response.headers_mut();
        for (name, value) in
            [("x-amz-apigw-id", &exchange.extended_request_id), ("x-amzn-trace-id", &exchange.trace_id)]
        {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
        response
    }

    /// The steps from a request to its answer.
    async fn walk(&self, exchange: &Exchange<'_>) -> Result<DoorResponse, Refusal> {
        let found = exchange.stage.select(exchange.request.method, exchange.path_in_stage)?;
        self.check_pace(exchange, &found)?;
        let granted = self.authorize(exchange, &found).await?;
        let key = self.admit(exchange, &found, granted.as_ref()).await?;
        parameters::check(exchange, &found)?;
        match found.integration.kind {
            IntegrationType::Mock => mock::answer(exchange, &found),
            IntegrationType::AwsProxy => self.run(exchange, &found, granted.as_ref(), key.as_deref()).await,
        }
    }
}
