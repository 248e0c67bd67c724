//! From arguments to what goes on the wire: method, path, query and body.

use std::path::{Path, PathBuf};

use loki_mode_spec::{Location, Method, Operation, Param, ParamType};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

use crate::args::{Args, Value};
use crate::error::Error;
use crate::transport::is_loopback;

/// Everything but the unreserved characters of RFC 3986.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How long the path and the query of a request may be together, encoded. An address can have 64 KiB in all, and no server
/// is known to read more.
const MAX_TARGET: usize = 60 << 10;
/// How long a base URL may be, so that both fit in an address.
const MAX_BASE: usize = 2 << 10;

/// Where the control plane is: a checked URL without trailing slashes.
#[derive(Debug, Clone)]
pub(crate) struct BaseUrl {
    url: Url,
    text: String,
    socket: Option<PathBuf>,
}

impl BaseUrl {
    /// # Errors
    /// [`Error::Config`] saying what is wrong; the text itself is not shown, it may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let problem = |text: &str| Error::config("base_url", format!("`base_url` {text}"));
        if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(problem(
                "contains a blank or a line break; strip it, for example when it is read from a file",
            ));
        }
        if text.len() > MAX_BASE {
            return Err(problem(&format!("is longer than {MAX_BASE} bytes")));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return Self::unix(path);
        }
        let url = Url::parse(text)
            .map_err(|error| problem(&format!("is no URL like http://localhost:57374: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(problem(&format!("must begin with http:// or https://, not {}:", url.scheme())));
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(problem("has no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(problem("must not hold credentials; give a `token`"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(problem("must not have a query (`?`) or a fragment (`#`)"));
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        Ok(BaseUrl { url, text, socket: None })
    }

    /// A Unix domain socket, by its absolute path.
    fn unix(path: &str) -> Result<Self, Error> {
        let problem = |text: &str| Error::config("base_url", format!("`base_url` {text}"));
        // `unix:///run/x.sock` is the same as `unix:/run/x.sock`.
        let path = path.strip_prefix("//").unwrap_or(path);
        if cfg!(not(unix)) {
            return Err(problem("names a Unix domain socket, which this system does not have"));
        }
        if !path.starts_with('/') {
            return Err(problem(
                "must name a socket by its absolute path, like unix:/run/control-plane.sock",
            ));
        }
        // What stands in the `Host` header.
        let text = "http://localhost".to_owned();
        let url = Url::parse(&text).map_err(|error| problem(&error.to_string()))?;
        Ok(BaseUrl { url, text, socket: Some(PathBuf::from(path)) })
    }

    /// The socket, where it is one of the file system.
    pub(crate) fn socket(&self) -> Option<&Path> {
        self.socket.as_deref()
    }

    /// Where the server is, for a message.
    pub(crate) fn place(&self) -> String {
        match &self.socket {
            Some(path) => format!("unix:{}", path.display()),
            None => format!("{}:{}", self.host(), self.port()),
        }
    }

    /// Whether what is sent can be read on its way to another machine.
    pub(crate) fn is_in_clear_text(&self) -> bool {
        !self.is_https() && !is_loopback(self.host())
    }

    pub(crate) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host; an IPv6 address stands in brackets.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// The URL of a path and a query below it.
    pub(crate) fn join(&self, request: &Request) -> String {
        let mut url = String::with_capacity(self.text.len() + request.path.len() + request.query.len() + 1);
        url.push_str(&self.text);
        url.push_str(&request.path);
        if !request.query.is_empty() {
            url.push('?');
            url.push_str(&request.query);
        }
        url
    }

    /// Where a `Location` header points, if that is at the same origin; otherwise its text without the query.
    pub(crate) fn same_origin(&self, from: &str, location: &str) -> Result<Url, String> {
        let target = Url::parse(from).and_then(|from| from.join(location));
        match target {
            Ok(mut target) => {
                // The credentials of a request are its token. An address that cannot have others has none to be removed.
                let _ = target.set_password(None);
                let _ = target.set_username("");
                target.set_fragment(None);
                if target.origin() == self.url.origin() {
                    return Ok(target);
                }
                target.set_query(None);
                Err(target.to_string())
            }
            Err(_) => Err("an address that cannot be read".to_owned()),
        }
    }
}

/// What goes on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// Encoded, below the base URL.
    pub(crate) path: String,
    /// Encoded, without the question mark.
    pub(crate) query: String,
    /// JSON text; an empty one is sent as such.
    pub(crate) body: Option<Vec<u8>>,
}

impl Request {
    /// Builds the request for an operation on one of its paths.
    ///
    /// # Errors
    /// [`Error::Config`] naming the argument that cannot stand in a path, or the one that makes it too long.
    pub(crate) fn new(operation: &'static Operation, path: &str, args: &Args) -> Result<Self, Error> {
        let path = encoded_path(operation, path, args)?;
        let query = encoded_query(operation, args);
        if path.len() + query.len() > MAX_TARGET {
            return Err(too_long(operation, args));
        }
        Ok(Request { method: operation.method, path, query, body: body(operation, args) })
    }

    /// A request that reads a fixed path.
    pub(crate) fn get(path: &str) -> Self {
        Request { method: Method::Get, path: path.to_owned(), query: String::new(), body: None }
    }
}

fn encoded_path(operation: &Operation, path: &str, args: &Args) -> Result<String, Error> {
    let mut out = String::with_capacity(path.len() + 16);
    for segment in path.split('/').skip(1) {
        out.push('/');
        match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            None => out.push_str(segment),
            Some(name) => {
                let value = args.named(operation, name).map(Value::to_text).unwrap_or_default();
                check_segment(name, &value)?;
                out.extend(utf8_percent_encode(&value, SEGMENT));
            }
        }
    }
    Ok(out)
}

/// An id that would lead to another endpoint is refused, never sent.
fn check_segment(name: &str, value: &str) -> Result<(), Error> {
    let problem = if value.is_empty() {
        "is empty; give the id as the server returned it"
    } else if value == "." || value == ".." {
        "must not be `.` or `..`, which lead to another address; give the id as the server returned it"
    } else if value.contains('/') {
        "contains `/`, which servers take for another address even when it is encoded; give the id instead of the name"
    } else if value.chars().any(char::is_control) {
        "contains a control character; give the id as the server returned it"
    } else {
        return Ok(());
    };
    Err(Error::config(name, format!("`{name}` {problem}")))
}

/// Names the longest of the arguments that stand in the address.
fn too_long(operation: &'static Operation, args: &Args) -> Error {
    let longest = [Location::Path, Location::Query]
        .into_iter()
        .flat_map(|location| located(operation, args, location))
        .max_by_key(|(_, value)| value.to_text().len());
    let name = longest.map_or("arguments", |(param, _)| param.name);
    let problem =
        format!("`{name}` makes the address longer than {MAX_TARGET} bytes, more than servers read");
    Error::config(name, problem)
}

fn located<'a>(
    operation: &'static Operation,
    args: &'a Args,
    location: Location,
) -> impl Iterator<Item = (&'static Param, &'a Value)> {
    let there = move |(index, param): (usize, &'static Param)| {
        if param.location == location { Some((param, args.get(index)?)) } else { None }
    };
    operation.params.iter().enumerate().filter_map(there)
}

fn encoded_query(operation: &'static Operation, args: &Args) -> String {
    let mut pairs = located(operation, args, Location::Query).peekable();
    if pairs.peek().is_none() {
        return String::new();
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (param, value) in pairs {
        match param.ty {
            ParamType::StrList => {
                let items = value.strings();
                // Nothing to choose from is no choice.
                if !items.is_empty() {
                    query.append_pair(param.wire, &items.join(","));
                }
            }
            _ => {
                query.append_pair(param.wire, &value.to_text());
            }
        }
    }
    query.finish()
}

fn body(operation: &'static Operation, args: &Args) -> Option<Vec<u8>> {
    if !matches!(operation.method, Method::Post | Method::Put) {
        return None;
    }
    if !operation.params.iter().any(|param| param.location == Location::Body) {
        // Without a length, some servers and proxies refuse a POST.
        return Some(Vec::new());
    }
    let mut out = vec![b'{'];
    for (index, (param, value)) in located(operation, args, Location::Body).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        // Names in the table need no escaping.
        out.push(b'"');
        out.extend_from_slice(param.wire.as_bytes());
        out.extend_from_slice(b"\":");
        value.write_json(&mut out);
    }
    out.push(b'}');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(name: &str, json: &str) -> Result<Request, Error> {
        let operation = loki_mode_spec::operation(name).unwrap();
        Request::new(operation, operation.path, &Args::from_json(operation, json)?)
    }

    #[test]
    fn segments_are_encoded_and_lists_of_query_and_body_are_in_order() {
        let request = build("get_project", r#"["a b?c#d%e\\é"]"#).unwrap();
        assert_eq!(request.path, "/api/projects/a%20b%3Fc%23d%25e%5C%C3%A9");
        let request = build("list_runs", r#"[7, "a&b=c", 5]"#).unwrap();
        assert_eq!(request.query, "project_id=7&status=a%26b%3Dc&limit=5");
        let request = build("create_run", r#"[12345678901234567890123, null, {"z":1,"a":2.0}]"#).unwrap();
        let body = r#"{"project_id":12345678901234567890123,"trigger":"manual","config":{"z":1,"a":2.0}}"#;
        assert_eq!(String::from_utf8(request.body.unwrap()).unwrap(), body);
    }

    #[test]
    fn ids_that_lead_elsewhere_are_refused() {
        for id in ["", ".", "..", "a/b", "../x", "a\nb", "\u{0}"] {
            let error = build("get_project", &serde_json::to_string(&[id]).unwrap()).unwrap_err();
            assert!(matches!(error, Error::Config(_)), "{id:?}");
            assert!(error.to_string().contains("`project_id`"), "{error}");
        }
    }

    #[test]
    fn what_makes_the_address_too_long_is_named() {
        for (name, args, param) in [
            ("get_project", serde_json::json!(["é".repeat(11_000)]), "project_id"),
            ("list_runs", serde_json::json!(["1", "x".repeat(62_000)]), "status"),
        ] {
            let error = build(name, &args.to_string()).unwrap_err();
            assert_eq!(error.info().param.as_deref(), Some(param));
            let text = error.to_string();
            assert!(matches!(error, Error::Config(_)) && text.len() < 200 && text.contains(param), "{text}");
        }
        build("list_runs", &serde_json::json!(["1", "x".repeat(61_000)]).to_string()).unwrap();
        let base = format!("http://h/{}", "x".repeat(MAX_BASE));
        assert!(BaseUrl::parse(&base).unwrap_err().to_string().contains("`base_url` is longer"));
    }

    #[test]
    fn bodies_are_there_when_the_method_has_one() {
        assert_eq!(
            build("rotate_api_key", r#"["k"]"#).unwrap().body.unwrap(),
            br#"{"grace_period_hours":24}"#
        );
        assert_eq!(build("update_task", "[1]").unwrap().body.unwrap(), b"{}");
        assert_eq!(build("cancel_run", "[1]").unwrap().body.unwrap(), b"");
        assert_eq!(build("delete_project", "[1]").unwrap().body, None);
    }

    #[test]
    fn base_urls_are_checked_and_lose_trailing_slashes() {
        let base = BaseUrl::parse("http://h:1/prefix//").unwrap();
        assert_eq!(base.join(&Request::get("/api/status")), "http://h:1/prefix/api/status");
        for bad in
            ["", "localhost:57374", "ftp://h", "http://", "http://u:canary@h", "http://h?x", "http://h#x"]
        {
            let error = BaseUrl::parse(bad).unwrap_err();
            assert!(matches!(error, Error::Config(_)), "{bad}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn redirects_are_judged_by_origin() {
        let base = BaseUrl::parse("http://h:1").unwrap();
        let from = "http://h:1/api/projects/";
        assert_eq!(base.same_origin(from, "/api/projects").unwrap().as_str(), "http://h:1/api/projects");
        assert_eq!(base.same_origin(from, "http://h:1/x?y=1").unwrap().as_str(), "http://h:1/x?y=1");
        assert_eq!(base.same_origin(from, "http://u:p@h:1/x#y").unwrap().as_str(), "http://h:1/x");
        for elsewhere in
            ["https://h:1/x", "http://h:2/x", "http://evil.example/x?token=canary", "//evil.example"]
        {
            let shown = base.same_origin(from, elsewhere).unwrap_err();
            assert!(!shown.contains("canary"), "{shown}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_id_reaches_another_path(id in ".*") {
            let operation = loki_mode_spec::operation("get_run_timeline").unwrap();
            let args = Args::new(operation, vec![Some(Value::Str(id.clone()))]).unwrap();
            if let Ok(request) = Request::new(operation, operation.path, &args) {
                let base = BaseUrl::parse("http://h:1/p").unwrap();
                let url = Url::parse(&base.join(&request)).unwrap();
                let segments: Vec<_> = url.path_segments().unwrap().collect();
                proptest::prop_assert_eq!(segments.len(), 5);
                let decoded = percent_encoding::percent_decode_str(segments[3]).decode_utf8().unwrap();
                proptest::prop_assert_eq!(decoded.as_ref(), id.as_str());
                proptest::prop_assert_eq!(segments[4], "timeline");
                proptest::prop_assert!(url.query().is_none() && url.fragment().is_none());
            }
        }
    }
}
