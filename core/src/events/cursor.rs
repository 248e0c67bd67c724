//! Where a follower stands, as a string that can be kept and given back a day later: pure, without I/O.

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use serde::{Deserialize, Serialize};

use super::watermark::Watermark;
use crate::error::Error;

/// Says what the string is, and which version of it.
const PREFIX: &str = "loki1.";

/// How far runs have been followed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// The runs, in the order in which they were taken up.
    #[serde(rename = "r")]
    pub(crate) runs: Vec<RunMark>,
    /// The project whose new runs are followed, too, and which of its runs were seen.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub(crate) project: Option<ProjectMark>,
}

/// How far one run has been followed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunMark {
    /// The id, as text.
    #[serde(rename = "i")]
    pub(crate) id: String,
    #[serde(rename = "w")]
    pub(crate) mark: Watermark,
    /// It has ended, and its last events were given out.
    #[serde(rename = "e", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) ended: bool,
}

/// Which runs of a project were seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProjectMark {
    /// The id, as text.
    #[serde(rename = "i")]
    pub(crate) id: String,
    #[serde(rename = "w")]
    pub(crate) mark: Watermark,
}

impl Cursor {
    /// The string.
    pub(crate) fn to_text(&self) -> String {
        // Maps with text keys and numbers always have a JSON text.
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(json))
    }

    /// Reads the string.
    ///
    /// # Errors
    /// [`Error::Config`] if it is not one that `to_text` gave.
    pub(crate) fn from_text(text: &str) -> Result<Self, Error> {
        text.trim()
            .strip_prefix(PREFIX)
            .and_then(|encoded| BASE64_URL_SAFE_NO_PAD.decode(encoded).ok())
            .and_then(|json| serde_json::from_slice(&json).ok())
            .ok_or_else(|| {
                let message = "`cursor` is not one that a stream of this SDK gave; it may have been cut. Without a \
                               cursor, a stream begins at the first event";
                Error::config("cursor", message)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::watermark::{Entry, Id};

    #[test]
    fn a_cursor_survives_the_way_through_a_string() {
        let mut mark = Watermark::starting(jiff::Timestamp::from_second(5).ok());
        let mut named = mark.clone();
        let give = |mark: &mut Watermark, id| {
            mark.give(&Entry { id, print: 9, time: jiff::Timestamp::from_second(6).ok() });
        };
        for number in [-3, 7, i64::MAX] {
            give(&mut mark, Id::Number(number));
        }
        for name in ["\"x\"", "1.5"] {
            give(&mut named, Id::from_json(name));
        }
        let cursor = Cursor {
            runs: vec![
                RunMark { id: "run-1".to_owned(), mark: mark.clone(), ended: true },
                RunMark { id: "2".to_owned(), mark: named, ended: false },
            ],
            project: Some(ProjectMark { id: "7".to_owned(), mark }),
        };
        assert_eq!(Cursor::from_text(&format!(" {}\n", cursor.to_text())).unwrap(), cursor);
    }

    #[test]
    fn what_is_no_cursor_is_refused_by_name() {
        let good = Cursor::default().to_text();
        for bad in ["", "loki1.", "loki1.%%", "loki2.e30", "{}", &good[..good.len() - 3], "loki1.W10"] {
            let error = Cursor::from_text(bad).unwrap_err();
            assert!(matches!(error, Error::Config(_)) && error.to_string().contains("`cursor`"), "{bad}");
        }
    }
}
