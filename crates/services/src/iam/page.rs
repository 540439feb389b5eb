//! Cutting a list into pages: `MaxItems`, `Marker`, `IsTruncated`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::IamError;

/// Items of a page when the request does not say (AWS: 100).
const ITEMS_DEFAULT: usize = 100;

/// The members by which a request asks for a page.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PageRequest {
    marker: Option<String>,
    max_items: Option<usize>,
}

impl PageRequest {
    /// The key after which the page begins.
    fn after(&self) -> Result<Option<String>, IamError> {
        let Some(marker) = &self.marker else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        key.map(Some).ok_or_else(|| IamError::invalid("Invalid Marker."))
    }

    /// The page of items that come sorted by their key, as the member `name` of the output.
    pub(super) fn cut<T: Serialize>(
        &self,
        name: &str,
        items: impl IntoIterator<Item = T>,
        key: impl Fn(&T) -> String,
    ) -> Result<Value, IamError> {
        let after = self.after()?;
        let size = self.max_items.unwrap_or(ITEMS_DEFAULT);
        let later = items.into_iter().filter(|item| after.as_ref().is_none_or(|after| key(item) > *after));
        let mut page: Vec<T> = later.take(size + 1).collect();
        let is_truncated = page.len() > size;
        page.truncate(size);
        let mut output = json!({ name: page, "IsTruncated": is_truncated });
        if let Some(last) = page.last().filter(|_| is_truncated) {
            output["Marker"] = URL_SAFE_NO_PAD.encode(key(last)).into();
        }
        Ok(output)
    }
}
