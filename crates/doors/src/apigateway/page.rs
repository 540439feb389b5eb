//! Cutting a list into pages: `MaxResults` and `NextToken`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::HttpApiError;

/// The largest and the usual page. Ours: more than any of the quotas but that of APIs.
const RESULTS_MAX: usize = 500;

/// The members by which a request asks for a page. The number travels as text.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PageRequest {
    max_results: Option<String>,
    next_token: Option<String>,
}

impl PageRequest {
    /// The page of items that come sorted by their keys, as `Items`.
    pub(super) fn cut(&self, items: impl IntoIterator<Item = (String, Value)>) -> Result<Value, HttpApiError> {
        let (after, size) = (self.after()?, self.size()?);
        let later = items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
        let mut page: Vec<(String, Value)> = later.take(size + 1).collect();
        let has_more = page.len() > size;
        page.truncate(size);
        let token = page.last().filter(|_| has_more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
        let items: Vec<Value> = page.into_iter().map(|(_, item)| item).collect();
        let mut output = json!({ "Items": items });
        if let Some(token) = token {
            output["NextToken"] = token.into();
        }
        Ok(output)
    }

    /// The key after which the page begins.
    fn after(&self) -> Result<Option<String>, HttpApiError> {
        let Some(token) = self.next_token.as_deref().filter(|token| !token.is_empty()) else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        key.map(Some)
            .ok_or_else(|| HttpApiError::invalid("Invalid value for nextToken: it is none that was given out."))
    }

    fn size(&self) -> Result<usize, HttpApiError> {
        let Some(asked) = self.max_results.as_deref().filter(|asked| !asked.is_empty()) else { return Ok(RESULTS_MAX) };
        let size = asked.parse().ok().filter(|size| (1..=RESULTS_MAX).contains(size));
        size.ok_or_else(|| HttpApiError::invalid(format!("maxResults must be a number from 1 to {RESULTS_MAX}.")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another() {
        let items = || ["a", "b", "c"].map(|key| (key.to_owned(), Value::from(key)));
        let page = |size: &str, token: Option<&str>| {
            let request = PageRequest { max_results: Some(size.to_owned()), next_token: token.map(str::to_owned) };
            request.cut(items())
        };
        let first = page("2", None).unwrap();
        assert_eq!(first["Items"], json!(["a", "b"]));
        assert_eq!(page("2", first["NextToken"].as_str()).unwrap(), json!({ "Items": ["c"] }));
        assert_eq!(PageRequest::default().cut(items()).unwrap(), json!({ "Items": ["a", "b", "c"] }));
        for (size, token) in [("0", None), ("many", None), ("1", Some("!"))] {
            assert_eq!(page(size, token).unwrap_err().code(), "BadRequestException");
        }
    }
}
