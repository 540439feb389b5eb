//! Function URLs: HTTP addresses that lead to a function or to one of its aliases.
//!
//! [`FunctionUrls::find`] says whose URL an id is; who may call it is decided by whoever asks; [`FunctionUrls::answer`] runs
//! the function and makes an HTTP answer of its output, whole or as it comes. Events, answers and CORS are rules of
//! [`tindra_core::door`]; the control plane writes the records.

mod answer;
mod event;
mod refusal;
mod streamed;
mod table;

use std::sync::Arc;

use tindra_core::clock::Clock;
use tindra_core::door::{Cors, IamIdentity};
use tindra_core::function_url::{FunctionUrl, UrlInvokeMode};
use tindra_invoke::{InvokeRequest, Mode};
use tindra_store::{Store, StoreError};

use crate::front_door::{DoorRequest, DoorResponse, Functions, respond};
use event::Seen;
use table::Table;

pub use refusal::{forbidden, too_large, unknown};

/// The function URLs of every account and region. Cheap to clone.
#[derive(Clone, Debug)]
pub struct FunctionUrls {
    table: Arc<Table>,
    functions: Arc<dyn Functions>,
    clock: Arc<dyn Clock>,
}

impl FunctionUrls {
    /// Follows the store from now on, so it must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn start(store: Store, functions: Arc<dyn Functions>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Ok(Self { table: Arc::new(Table::start(store).await?), functions, clock })
    }

    /// The URL of this id; none when there is none.
    ///
    /// # Errors
    /// When the store fails that has to be asked, because a URL has just changed.
    pub async fn find(&self, id: &str) -> Result<Option<Arc<FunctionUrl>>, StoreError> {
        self.table.find(id).await
    }

    /// The URL of a function or of an alias of it, by the whole name.
    #[must_use]
    pub fn of_function(
        &self,
        account: &str,
        region: &str,
        function: &str,
        alias: Option<&str>,
    ) -> Option<Arc<FunctionUrl>> {
        self.table.of_function(account, region, function, alias)
    }

    /// The answer to a preflight, which needs no permission and runs nothing; none for other requests, and for URLs without CORS.
    #[must_use]
    pub fn preflight(&self, url: &FunctionUrl, request: &DoorRequest) -> Option<DoorResponse> {
        let cors = Cors::from(url.cors.as_ref()?);
        let answer = cors.preflight(&request.seen(self.clock.unix_ms()))?;
        Some(respond(answer))
    }

    /// Runs the function for a request that its caller may send. `caller` is who signed it, where the URL wants that.
    pub async fn answer(&self, url: &FunctionUrl, caller: Option<IamIdentity>, request: DoorRequest) -> DoorResponse {
        let now_ms = self.clock.unix_ms();
        let seen = Seen::of(&request, url, now_ms);
        let payload = seen.payload(caller);
        let cors = url.cors.as_ref().map(Cors::from);
        let invoke = InvokeRequest {
            scope: url.scope.clone(),
            function: url.function_name.clone(),
            qualifier: url.alias.clone(),
            mode: match url.invoke_mode {
                UrlInvokeMode::Buffered => Mode::RequestResponse,
                UrlInvokeMode::ResponseStream => Mode::ResponseStream,
            },
            tenant: None,
            log_tail: false,
            client_context: None,
            payload,
            request_id: request.request_id.clone(),
            trace_id: Some(seen.trace_id.clone()),
        };
        let result = self.functions.invoke(invoke).await;
        let shape = |headers: &mut Vec<(String, String)>| {
            if let Some(cors) = &cors {
                cors.apply(&seen.request, headers);
            }
        };
        answer::of(result, url, shape).await
    }
}
