//! What an authorizer has answered, for as long as its answers hold: by the values of its identity sources.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tindra_core::door::AuthorizerAnswer;

/// Answers of one authorizer that are remembered; one more empties the cache of those that are over, and then of all.
const ANSWERS_MAX: usize = 10_000;

/// The answers of one authorizer.
#[derive(Debug, Default)]
pub(super) struct AuthorizerCache {
    answers: Mutex<HashMap<Vec<String>, Remembered>>,
}

#[derive(Debug)]
struct Remembered {
    answer: Arc<AuthorizerAnswer>,
    /// Monotonic.
    until: Duration,
}

impl AuthorizerCache {
    /// The answer to these values that still holds. `now` is monotonic.
    pub(super) fn get(&self, identity: &[String], now: Duration) -> Option<Arc<AuthorizerAnswer>> {
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.get(identity).filter(|known| known.until > now).map(|known| Arc::clone(&known.answer))
    }

    /// Remembers an answer.
    pub(super) fn put(&self, identity: Vec<String>, answer: Arc<AuthorizerAnswer>, now: Duration, ttl: Duration) {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if answers.len() >= ANSWERS_MAX {
            answers.retain(|_, known| known.until > now);
        }
        if answers.len() >= ANSWERS_MAX {
            answers.clear();
        }
        answers.insert(identity, Remembered { answer, until: now + ttl });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_hold_for_their_time_and_there_are_not_too_many() {
        let cache = AuthorizerCache::default();
        let answer = Arc::new(AuthorizerAnswer::parse_simple(br#"{"isAuthorized": true}"#).unwrap());
        let second = Duration::from_secs(1);
        let put = |name: &str, now| cache.put(vec![name.to_owned()], Arc::clone(&answer), now, second);
        let has = |name: &str, now| cache.get(&[name.to_owned()], now).is_some();
        put("a", Duration::ZERO);
        assert!(has("a", Duration::from_millis(999)) && !has("a", second) && !has("b", Duration::ZERO));
        for number in 0..ANSWERS_MAX {
            put(&number.to_string(), second);
        }
        assert!(has("9999", second) && !has("a", Duration::ZERO));
        put("b", second);
        assert!(has("b", second) && cache.answers.lock().unwrap().len() <= ANSWERS_MAX);
    }
}
