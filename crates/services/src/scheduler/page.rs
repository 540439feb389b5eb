//! Cutting lists into pages, by the keys of the store: `MaxResults` and `NextToken`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tindra_store::{JsonRecords as _, Versioned};

use super::SchedulerService;
use super::error::SchedulerError;

/// The largest and the usual page (AWS).
const RESULTS_MAX: usize = 100;

/// The members by which a request asks for a page.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PageRequest {
    max_results: Option<usize>,
    next_token: Option<String>,
}

impl SchedulerService {
    /// A page of the records under a prefix, as the member `name` of the output; `shown` leaves out what is not asked for.
    pub(super) async fn page<T: DeserializeOwned>(
        &self,
        request: &PageRequest,
        name: &str,
        prefix: &str,
        shown: impl Fn(&T) -> Option<Value>,
    ) -> Result<Value, SchedulerError> {
        let size = request.max_results.unwrap_or(RESULTS_MAX).clamp(1, RESULTS_MAX);
        let (mut after, mut items) = (request.after(prefix)?, Vec::new());
        let mut has_more = true;
        while has_more && items.len() < size {
            let records: Vec<Versioned<T>> =
                self.around.store.metadata.list_json(prefix, after.as_deref(), RESULTS_MAX + 1).await?;
            has_more = records.len() > RESULTS_MAX;
            for (index, record) in records.iter().enumerate() {
                if items.len() == size {
                    has_more |= index < records.len();
                    break;
                }
                after = Some(record.key.clone());
                items.extend(shown(&record.value));
            }
        }
        let mut output = json!({ name: items });
        if let Some(after) = after.filter(|_| has_more) {
            output["NextToken"] = URL_SAFE_NO_PAD.encode(after).into();
        }
        Ok(output)
    }
}

impl PageRequest {
    /// The key after which the page begins.
    fn after(&self, prefix: &str) -> Result<Option<String>, SchedulerError> {
        let Some(token) = &self.next_token else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let key = key.filter(|key| key.starts_with(prefix));
        key.map(Some).ok_or_else(|| SchedulerError::invalid("Invalid NextToken."))
    }
}
