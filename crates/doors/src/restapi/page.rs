//! Cutting a list into pages: `limit` and `position`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::RestApiError;

/// The usual page (AWS).
const LIMIT_DEFAULT: usize = 25;
/// The largest page (AWS).
const LIMIT_MAX: usize = 500;

/// The members by which a request asks for a page.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PageRequest {
    limit: Option<i64>,
    position: Option<String>,
}

/// Items by their keys, and where the next page begins.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<(String, T)>,
    pub(super) position: Option<String>,
}

impl PageRequest {
    /// The page of items that come sorted by their keys. On the wire the list is called `item`.
    pub(super) fn cut(&self, items: impl IntoIterator<Item = (String, Value)>) -> Result<Value, RestApiError> {
        let Page { items, position } = self.select(items)?;
        let items: Vec<Value> = items.into_iter().map(|(_, item)| item).collect();
        let mut output = json!({ "item": items });
        if let Some(position) = position {
            output["position"] = position.into();
        }
        Ok(output)
    }

    /// The items of the page by their keys, and where the next one begins.
    pub(super) fn select<T>(&self, items: impl IntoIterator<Item = (String, T)>) -> Result<Page<T>, RestApiError> {
        let (after, size) = (self.after()?, self.size()?);
        let later = items.into_iter().filter(|(key, _)| after.as_ref().is_none_or(|after| key > after));
        let mut page: Vec<(String, T)> = later.take(size + 1).collect();
        let has_more = page.len() > size;
        page.truncate(size);
        let position = page.last().filter(|_| has_more).map(|(key, _)| URL_SAFE_NO_PAD.encode(key));
        Ok(Page { items: page, position })
    }

    /// The key after which the page begins.
    fn after(&self) -> Result<Option<String>, RestApiError> {
        let Some(position) = &self.position else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(position).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        key.map(Some).ok_or_else(|| RestApiError::bad("Invalid position parameter specified"))
    }

    fn size(&self) -> Result<usize, RestApiError> {
        let Some(asked) = self.limit else { return Ok(LIMIT_DEFAULT) };
        match usize::try_from(asked) {
            Ok(size) if (1..=LIMIT_MAX).contains(&size) => Ok(size),
            _ => Err(RestApiError::bad(format!("Invalid limit specified. Must be between 1 and {LIMIT_MAX}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_one_another_and_end() {
        let items = || (0..7).map(|number| (format!("k{number}"), json!(number)));
        let (mut found, mut position) = (Vec::new(), None);
        loop {
            let page = PageRequest { limit: Some(3), position }.cut(items()).unwrap();
            found.extend(page["item"].as_array().unwrap().clone());
            position = page.get("position").map(|position| position.as_str().unwrap().to_owned());
            if position.is_none() {
                break;
            }
        }
        assert_eq!(found, (0..7).map(|number| json!(number)).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for limit in [0, -1, 501] {
            assert!(PageRequest { limit: Some(limit), position: None }.cut([]).is_err());
        }
        assert!(PageRequest { limit: None, position: Some("!".into()) }.cut([]).is_err());
    }
}
