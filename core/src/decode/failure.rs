//! Why and where a body is not what an operation returns.

use std::fmt;

/// Bytes of the body that an excerpt shows on either side of the problem.
const EXCERPT_RADIUS: usize = 40;

/// Why a body is not what an operation returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeFailure {
    /// Where in the JSON, for example `[3].name`; empty for the whole.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
    /// The body around that place.
    pub excerpt: Excerpt,
}

/// What a failure shows of the body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Excerpt {
    /// There is nothing to be shown.
    Nothing,
    /// It is withheld, since it could show a secret.
    Withheld,
    /// The text around the place.
    Shown(String),
}

impl fmt::Display for DecodeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "at {}: ", self.path)?;
        }
        write!(f, "{}", self.problem)?;
        match &self.excerpt {
            Excerpt::Nothing => Ok(()),
            Excerpt::Withheld => f.write_str(" (not shown: it may hold a secret)"),
            Excerpt::Shown(text) => write!(f, " (near: {text})"),
        }
    }
}

impl std::error::Error for DecodeFailure {}

/// The message without serde_json's position: the path says where, and the text may be a part of the body only.
pub(super) fn problem_of(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// The text around a place that serde_json names by line and column, both from 1; column 0 is the line's start.
pub(super) fn excerpt(text: &str, line: usize, column: usize) -> Excerpt {
    let start_of_line: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let place = (start_of_line + column).min(text.len());
    let mut start = place.saturating_sub(EXCERPT_RADIUS);
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = (place + EXCERPT_RADIUS).min(text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    let mut shown = String::new();
    if start > 0 {
        shown.push('…');
    }
    shown.extend(text[start..end].chars().map(|c| if c.is_control() { ' ' } else { c }));
    if end < text.len() {
        shown.push('…');
    }
    Excerpt::Shown(shown)
}
