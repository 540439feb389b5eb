//! Cutting a list into pages: `Limit` and `NextToken`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::error::EventsError;

/// The largest and the usual page (AWS).
const LIMIT_MAX: usize = 100;

/// The members by which a request asks for a page.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PageRequest {
    limit: Option<usize>,
    next_token: Option<String>,
}

impl PageRequest {
    /// The page of items that come sorted by their keys, as the member `name` of the output.
    pub(super) fn cut(
        &self,
        name: &str,
        items: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<Value, EventsError> {
        let (after, size) = (self.after()?, self.limit.unwrap_or(LIMIT_MAX).clamp(1, LIMIT_MAX));
        let later = items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
        let mut page: Vec<(String, Value)> = later.take(size + 1).collect();
        let has_more = page.len() > size;
        page.truncate(size);
        let token = page.last().filter(|_| has_more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
        let items: Vec<Value> = page.into_iter().map(|(_, item)| item).collect();
        let mut output = json!({ name: items });
        if let Some(token) = token {
            output["NextToken"] = token.into();
        }
        Ok(output)
    }

    /// The key after which the page begins.
    fn after(&self) -> Result<Option<String>, EventsError> {
        let Some(token) = &self.next_token else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let invalid = || EventsError::invalid("NextToken is not one that this operation gave out.");
        key.filter(|key| !key.is_empty()).map(Some).ok_or_else(invalid)
    }
}
