//! Which events a listener wants.

use super::Event;

/// The levels of log lines, the least urgent first.
pub(crate) const LEVELS: &[&str] = &["debug", "info", "warn", "error"];

/// What an event has to be; the default lets everything through.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    session: Option<String>,
    types: Vec<String>,
    least_level: usize,
}

impl Filter {
    /// Only events of this session, of these types (none: of all), and only log lines of this level or above. Types may
    /// be spelt with a dot, as in older documents. Fails with the level if that is none.
    pub(crate) fn new<'a>(
        session: Option<&str>,
        types: impl IntoIterator<Item = &'a str>,
        min_level: Option<&'a str>,
    ) -> Result<Self, &'a str> {
        let least_level = match min_level.filter(|level| !level.is_empty()) {
            Some(level) => LEVELS.iter().position(|known| *known == level).ok_or(level)?,
            None => 0,
        };
        let spelt =
            |name: &str| if name.contains(':') { name.to_owned() } else { name.replacen('.', ":", 1) };
        let types = types.into_iter().map(str::trim).filter(|name| !name.is_empty());
        Ok(Filter {
            session: session.filter(|session| !session.is_empty()).map(str::to_owned),
            types: types.map(spelt).collect(),
            least_level,
        })
    }

    /// Whether an event passes.
    pub(crate) fn lets(&self, event: &Event) -> bool {
        let of_session = self.session.is_none() || self.session == event.session;
        let of_type = self.types.is_empty() || self.types.contains(&event.kind);
        let level =
            event.kind.strip_prefix("log:").and_then(|level| LEVELS.iter().position(|known| *known == level));
        of_session && of_type && level.is_none_or(|level| level >= self.least_level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str) -> Event {
        Event { id: String::new(), kind: kind.to_owned(), session: Some("s".to_owned()), json: String::new() }
    }

    #[test]
    fn types_sessions_and_levels() {
        let filter = Filter::new(Some("s"), ["task.completed", " log:warn", ""], None).unwrap();
        assert!(filter.lets(&event("task:completed")) && filter.lets(&event("log:warn")));
        assert!(!filter.lets(&event("task:created")));
        assert!(!Filter::new(Some("t"), [], None).unwrap().lets(&event("heartbeat")));
        let warnings = Filter::new(None, [], Some("warn")).unwrap();
        assert!(warnings.lets(&event("log:error")) && warnings.lets(&event("task:created")));
        assert!(!warnings.lets(&event("log:info")));
        assert_eq!(Filter::new(None, [], Some("loud")).unwrap_err(), "loud");
        assert!(Filter::default().lets(&event("my:own")));
    }
}
