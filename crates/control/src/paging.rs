//! Lists in pages: `Marker`, `MaxItems`, `NextMarker`.
//!
//! A marker is the end of the key of the last record that was given, in base64: a page goes on behind it
//! whatever has come or gone meanwhile, and costs the same wherever it lies.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use tindra_store::JsonRecords as _;

use crate::Control;
use crate::error::ControlError;

/// Items of one page where AWS gives fewer than `MaxItems` may ask for.
pub(crate) const PAGE_MAX: usize = 50;

/// One page of records.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next_marker: Option<String>,
}

impl Control {
    /// The records under a prefix behind a marker.
    pub(crate) async fn page<T: DeserializeOwned>(
        &self,
        prefix: &str,
        marker: Option<&str>,
        max_items: Option<i32>,
    ) -> Result<Page<T>, ControlError> {
        let after = marker.map(read_marker).transpose()?.map(|end| format!("{prefix}{end}"));
        let limit = page_limit(max_items);
        // One more than asked for tells whether there is more.
        let mut page = self.store.metadata.list_json::<T>(prefix, after.as_deref(), limit + 1).await?;
        let has_more = page.len() > limit;
        page.truncate(limit);
        let last = page.last().filter(|_| has_more).and_then(|last| last.key.strip_prefix(prefix));
        let next_marker = last.map(write_marker);
        Ok(Page { items: page.into_iter().map(|record| record.value).collect(), next_marker })
    }

    /// Every record under a prefix, for what a function has few of.
    pub(crate) async fn all<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>, ControlError> {
        const AT_ONCE: usize = 256;
        let (mut all, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = self.store.metadata.list_json::<T>(prefix, after.as_deref(), AT_ONCE).await?;
            let is_last = page.len() < AT_ONCE;
            after = page.last().map(|record| record.key.clone());
            all.extend(page.into_iter().map(|record| record.value));
            if is_last {
                return Ok(all);
            }
        }
    }
}

/// Items of one page.
pub(crate) fn page_limit(max_items: Option<i32>) -> usize {
    max_items.and_then(|max| usize::try_from(max).ok()).unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX)
}

/// What an earlier answer's `NextMarker` stands for.
pub(crate) fn read_marker(marker: &str) -> Result<String, ControlError> {
    let text = URL_SAFE_NO_PAD.decode(marker).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| ControlError::invalid("The Marker is not one that an earlier answer gave."))
}

/// A `NextMarker`.
pub(crate) fn write_marker(end: &str) -> String {
    URL_SAFE_NO_PAD.encode(end)
}
