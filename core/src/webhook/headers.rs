//! The headers of a webhook, from whatever a framework calls them.

/// The headers that a signature can be in or that are signed along, as they are written in messages.
const NAMES: [&str; 5] = [ID, TIMESTAMP, STANDARD, LOKI, GITHUB];

pub(super) const ID: &str = "webhook-id";
pub(super) const TIMESTAMP: &str = "webhook-timestamp";
pub(super) const STANDARD: &str = "webhook-signature";
pub(super) const LOKI: &str = "X-Loki-Signature";
pub(super) const GITHUB: &str = "X-Hub-Signature-256";

/// Those headers of a request that matter here.
#[derive(Debug, Clone, Default)]
pub struct Headers([Option<String>; NAMES.len()]);

impl Headers {
    /// Whether a header of this name matters: any mixture of cases, or as WSGI and CGI write it, `HTTP_X_LOKI_SIGNATURE`.
    pub fn matter(name: &str) -> bool {
        position(name).is_some()
    }

    /// Takes a header; one that does not matter, or has nothing in it, is left out. Values of one name are joined as
    /// HTTP joins them.
    pub fn add(&mut self, name: &str, value: &str) {
        let Some(position) = position(name).filter(|_| !value.trim().is_empty()) else { return };
        match &mut self.0[position] {
            Some(known) => {
                known.push_str(", ");
                known.push_str(value);
            }
            slot => *slot = Some(value.to_owned()),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0[position(name)?].as_deref()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Headers::default();
        for (name, value) in pairs {
            headers.add(name.as_ref(), value.as_ref());
        }
        headers
    }
}

fn position(name: &str) -> Option<usize> {
    if let Some(name) = name.strip_prefix("HTTP_") {
        return NAMES.iter().position(|known| known.replace('-', "_").eq_ignore_ascii_case(name));
    }
    NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_however_they_are_written() {
        for name in ["X-Loki-Signature", "x-loki-signature", "X-LOKI-SIGNATURE", "HTTP_X_LOKI_SIGNATURE"] {
            assert_eq!(Headers::from_iter([(name, "a")]).get(LOKI), Some("a"), "{name}");
        }
        for name in ["X_Loki_Signature", "HTTP_X-LOKI-SIGNATURE", "X-Loki-Signature ", "Signature", ""] {
            assert!(!Headers::matter(name), "{name}");
        }
    }

    #[test]
    fn values_of_one_name_are_joined() {
        let headers = Headers::from_iter([("webhook-id", "a"), ("Host", "h"), ("Webhook-Id", "b")]);
        assert_eq!(headers.get(ID), Some("a, b"));
        assert_eq!(headers.get(TIMESTAMP), None);
    }

    #[test]
    fn one_with_nothing_in_it_is_not_there() {
        let headers = Headers::from_iter([(ID, ""), (LOKI, " \t"), (GITHUB, "a"), (GITHUB, " ")]);
        assert_eq!((headers.get(ID), headers.get(LOKI), headers.get(GITHUB)), (None, None, Some("a")));
    }
}
