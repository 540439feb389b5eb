//! Identifiers as API Gateway makes them: lower-case letters and digits.

use uuid::Uuid;

/// Characters of the id of an API, which is a label of its host name.
pub(super) const API: usize = 10;
/// Of a route or an integration.
pub(super) const ROUTE: usize = 7;
/// Of a deployment, an authorizer or an API mapping.
pub(super) const SHORT: usize = 6;

/// A new random identifier.
pub(super) fn new(length: usize) -> String {
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut random = Uuid::new_v4().as_u128();
    let mut letters = std::iter::repeat_with(|| {
        // Less than 36, so nothing is lost.
        let index = usize::try_from(random % 36).unwrap_or(0);
        random /= 36;
        char::from(LETTERS[index])
    });
    letters.by_ref().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_lower_case_letters_and_digits() {
        for length in [API, ROUTE, SHORT] {
            let (one, other) = (new(length), new(length));
            assert_eq!(one.len(), length);
            assert!(one.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{one}");
            assert_ne!(one, other);
        }
    }
}
