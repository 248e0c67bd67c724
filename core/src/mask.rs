//! Keeps the token out of whatever is shown, also where the server sends it back.

use std::borrow::Cow;

use ureq::http::HeaderValue;

/// What stands for a secret.
const MASK: &str = "***";
/// A shorter token is masked only where it stands alone: it is likely to occur in other words.
const DISTINCT: usize = 8;

/// The token of an `Authorization` header.
pub(crate) fn token_of(authorization: &HeaderValue) -> Option<&str> {
    authorization.to_str().ok()?.strip_prefix("Bearer ")
}

/// The text with each occurrence of the token replaced.
pub(crate) fn mask<'a>(text: &'a str, token: &str) -> Cow<'a, str> {
    if token.is_empty() || !text.contains(token) {
        return Cow::Borrowed(text);
    }
    let mut masked = String::with_capacity(text.len());
    let mut rest = 0;
    for (at, _) in text.match_indices(token) {
        let end = at + token.len();
        let part_of_a_word = |neighbour: Option<char>| neighbour.is_some_and(char::is_alphanumeric);
        let embedded =
            part_of_a_word(text[..at].chars().next_back()) || part_of_a_word(text[end..].chars().next());
        if token.len() < DISTINCT && embedded {
            continue;
        }
        masked.push_str(&text[rest..at]);
        masked.push_str(MASK);
        rest = end;
    }
    masked.push_str(&text[rest..]);
    Cow::Owned(masked)
}

/// The same for bytes, in place; those that are no text are replaced where there is something to mask.
pub(crate) fn mask_body(body: &mut Vec<u8>, token: &str) {
    let text = String::from_utf8_lossy(body);
    let masked = match mask(&text, token) {
        Cow::Owned(masked) => masked.into_bytes(),
        Cow::Borrowed(_) => return,
    };
    *body = masked;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_masked_wherever_they_occur() {
        assert_eq!(mask("a loki_canary b xloki_canaryx", "loki_canary"), "a *** b x***x");
        assert_eq!(mask("nothing here", "loki_canary"), "nothing here");
        assert_eq!(mask("\"ab\" cab ab", "ab"), "\"***\" cab ***");
        assert_eq!(mask("é ab é", "ab"), "é *** é");
        assert_eq!(mask("ab", ""), "ab");
        let mut body = b"\xff loki_canary".to_vec();
        mask_body(&mut body, "loki_canary");
        assert_eq!(body, "\u{fffd} ***".as_bytes());
    }
}
