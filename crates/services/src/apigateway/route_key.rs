//! The keys of routes: which are well-formed, and which mean the same.

use super::HttpApiError;

/// The route for what no other takes.
pub(super) const DEFAULT: &str = "$default";
const METHODS: [&str; 8] = ["ANY", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Refuses a key that is neither `$default` nor a method and a path. A path variable is a whole segment, and one that
/// takes several segments (`{proxy+}`) is the last.
pub(super) fn check(key: &str) -> Result<(), HttpApiError> {
    let fits = key == DEFAULT || key.split_once(' ').is_some_and(|(method, path)| is_route(method, path));
    match fits {
        true => Ok(()),
        false => Err(HttpApiError::invalid(
            "The provided route key is not formatted properly for HTTP protocol. Format should be \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"",
        )),
    }
}

fn is_route(method: &str, path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/').filter(|_| METHODS.contains(&method)) else { return false };
    let segments: Vec<&str> = rest.split('/').collect();
    let count = segments.len();
    let has_empty = segments.iter().take(count - 1).any(|segment| segment.is_empty());
    !has_empty
        && segments.iter().enumerate().all(|(index, segment)| match variable(segment) {
            Some(name) => {
                let is_greedy = name.ends_with('+');
                let name = name.trim_end_matches('+');
                is_name(name) && (!is_greedy || index + 1 == count)
            }
            None => !segment.contains(['{', '}', ' ', '?', '#']),
        })
}

/// What stands between the braces of a segment that is one variable.
fn variable(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
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
        for key in ["$default", "GET /", "ANY /{proxy+}", "POST /pets/{id}", "DELETE /a/b.c-d~e/{x}/", "GET /a:b"] {
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
