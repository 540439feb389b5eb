//! The keys of routes: which are well-formed, and which mean the same.

use tindra_core::door::{RouteKey, RouteKeyError};

use super::HttpApiError;

/// The route for what no other takes.
pub(super) const DEFAULT: &str = "$default";
/// Refuses a key that is neither `$default` nor a method and a path. A path variable is a whole segment, and one that
/// takes several segments (`{proxy+}`) is the last.
pub(super) fn check(key: &str) -> Result<(), HttpApiError> {
    let unfit = |error: RouteKeyError| {
        HttpApiError::invalid(format!(
            "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\": {error}."
        ))
    };
    RouteKey::parse(key).map(|_| ()).map_err(unfit)
}

/// What stands between the braces of a segment that is one variable.
fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

/// Refuses a key beside others: the same, or the same but for the names of its variables.
pub(super) fn check_among<'a>(key: &str, mut others: impl Iterator<Item = &'a str>) -> Result<(), HttpApiError> {
    let same = others.find(|other| without_names(other) == without_names(key));
    match same {
        None => Ok(()),
        Some(other) if other == key => {
            Err(HttpApiError::conflict(format!("Route with key {key} already exists for this API")))
        }
        Some(other) => Err(HttpApiError::conflict(format!(
            "The provided route key \"{key}\" has a conflicting variable on the same hierarchical level as \"{other}\""
        ))),
    }
}

fn without_names(key: &str) -> String {
    let anonymous = |segment: &str| match variable(segment) {
        Some(name) if name.ends_with('+') => "{+}".to_owned(),
        Some(_) => "{}".to_owned(),
        None => segment.to_owned(),
    };
    key.split('/').map(anonymous).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_a_method_and_a_path() {
        for key in [
            "$default",
            "GET /",
            "ANY /{proxy+}",
            "POST /pets/{id}",
            "DELETE /a/b.c-d~e/{x}/",
            "GET /a:b",
            "GET /{a.b-c_d}",
        ] {
            assert_eq!(check(key), Ok(()), "{key}");
        }
        for key in [
            "",
            "GET",
            "GET pets",
            "get /pets",
            "FETCH /",
            "GET  /",
            "GET /{a",
            "GET /a}",
            "GET /x{a}",
            "GET /{}",
            "GET /{a+}/b",
            "GET //a",
            "GET /a?b=c",
            "$connect",
            "/pets",
        ] {
            assert_eq!(check(key).unwrap_err().code(), "BadRequestException", "{key}");
        }
    }

    #[test]
    fn two_keys_must_not_mean_the_same() {
        let among = |key| check_among(key, ["GET /pets/{id}", "ANY /{proxy+}", "$default"].into_iter());
        assert_eq!(among("POST /pets/{id}"), Ok(()));
        assert_eq!(among("GET /pets/{id}/toys"), Ok(()));
        assert_eq!(among("ANY /{proxy}"), Ok(()));
        for (key, words) in [
            ("GET /pets/{id}", "already exists"),
            ("GET /pets/{pet}", "conflicting variable"),
            ("ANY /{all+}", "conflicting variable"),
            ("$default", "already exists"),
        ] {
            let error = among(key).unwrap_err();
            assert!(error.code() == "ConflictException" && error.message().contains(words), "{error}");
        }
    }
}
