//! Reading requests off a connection, and what is remembered of them.

use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::Serialize;
use serde_json::Value;

/// No honest client sends a head of this size.
const MAX_HEAD: usize = 1 << 20;

/// A request as it arrived.
#[derive(Debug, Clone, Serialize)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// The path as on the wire, not decoded.
    pub path: String,
    /// The query, decoded; a name that came more than once has a list.
    pub query: BTreeMap<String, Value>,
    /// Path and query as on the wire.
    pub raw_target: String,
    /// The header fields by lower-case name; repeated ones joined with `, `.
    pub headers: BTreeMap<String, String>,
    /// The body as text; null if the request had none.
    pub body: Option<String>,
    /// On which connection it came; the first one is 1.
    pub connection: usize,
    /// How many milliseconds after the request before it, whatever its connection; null if it was the first.
    pub pause_ms: Option<u64>,
    /// No answer was scripted for it.
    pub unexpected: bool,
}

/// Reads one request after the other, pipelined ones too.
pub(crate) struct RequestReader<R> {
    source: R,
    buffer: Vec<u8>,
}

impl<R: Read> RequestReader<R> {
    pub(crate) fn new(source: R) -> Self {
        RequestReader { source, buffer: Vec::new() }
    }

    /// Whether bytes of a further request have already been read.
    pub(crate) fn has_buffered(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// What has been read beyond the requests that were given out.
    pub(crate) fn into_buffered(self) -> Vec<u8> {
        self.buffer
    }

    /// The next request; `None` when the client closed in order.
    pub(crate) fn next(&mut self, connection: usize) -> io::Result<Option<RecordedRequest>> {
        let head_length = loop {
            if let Some(at) = find(&self.buffer, b"\r\n\r\n") {
                break at;
            }
            if self.buffer.len() > MAX_HEAD {
                return Err(malformed("the head of the request is too long"));
            }
            if !self.fill()? {
                return if self.buffer.is_empty() {
                    Ok(None)
                } else {
                    Err(io::ErrorKind::UnexpectedEof.into())
                };
            }
        };
        let head = String::from_utf8_lossy(&self.take(head_length)).into_owned();
        self.take(4);
        let mut lines = head.split("\r\n");
        let request_line = lines.next().unwrap_or_default();
        let mut words = request_line.split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(malformed(request_line));
        };
        let headers = parse_headers(lines)?;
        let body = self.read_body(&headers)?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        Ok(Some(RecordedRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: parse_query(query),
            raw_target: target.to_owned(),
            body: (!body.is_empty()).then(|| String::from_utf8_lossy(&body).into_owned()),
            headers,
            connection,
            pause_ms: None,
            unexpected: false,
        }))
    }

    fn read_body(&mut self, headers: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
        if headers.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
            return self.read_chunks();
        }
        let Some(length) = headers.get("content-length") else { return Ok(Vec::new()) };
        let length = length.parse().map_err(|_| malformed(length))?;
        self.read_exactly(length)
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let size = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).map_err(|_| malformed(&line))?;
            if size == 0 {
                while !self.read_line()?.is_empty() {}
                return Ok(body);
            }
            body.extend(self.read_exactly(size)?);
            self.read_line()?;
        }
    }

    fn read_line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = find(&self.buffer, b"\r\n") {
                let line = String::from_utf8_lossy(&self.take(at)).into_owned();
                self.take(2);
                return Ok(line);
            }
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.take(length))
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.buffer.drain(..length).collect()
    }

    /// Reads what is there; false at the end of the stream.
    fn fill(&mut self) -> io::Result<bool> {
        let mut block = [0; 16 * 1024];
        let length = self.source.read(&mut block)?;
        self.buffer.extend_from_slice(&block[..length]);
        Ok(length > 0)
    }
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not an HTTP/1.1 request: {what}"))
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

fn parse_headers<'a>(lines: impl Iterator<Item = &'a str>) -> io::Result<BTreeMap<String, String>> {
    let mut headers = BTreeMap::<String, String>::new();
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| malformed(line))?;
        headers
            .entry(name.to_ascii_lowercase())
            .and_modify(|all| {
                all.push_str(", ");
                all.push_str(value.trim());
            })
            .or_insert_with(|| value.trim().to_owned());
    }
    Ok(headers)
}

fn parse_query(query: &str) -> BTreeMap<String, Value> {
    let mut parsed = BTreeMap::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = Value::String(decode(value));
        match parsed.get_mut(&decode(name)) {
            None => {
                parsed.insert(decode(name), value);
            }
            Some(Value::Array(all)) => all.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    parsed
}

/// Undoes percent-encoding and `+`; a percent sign without two hex digits stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%')
            .then(|| tail.get(..2))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        rest = match escaped {
            Some(byte) => {
                bytes.push(byte);
                &tail[2..]
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                tail
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reads_pipelined_requests_with_both_framings() {
        let wire = b"POST /a%20b?x=1&x=%C3%A4+b&y HTTP/1.1\r\nHost: h\r\nX: 1\r\nx: 2\r\nContent-Length: 2\r\n\r\n{}\
            PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n";
        let mut reader = RequestReader::new(&wire[..]);
        let first = reader.next(1).unwrap().unwrap();
        assert_eq!((first.method.as_str(), first.path.as_str()), ("POST", "/a%20b"));
        assert_eq!(serde_json::to_value(&first.query).unwrap(), json!({"x": ["1", "ä b"], "y": ""}));
        assert_eq!(first.headers["x"], "1, 2");
        assert_eq!(first.body.as_deref(), Some("{}"));
        assert_eq!(reader.next(1).unwrap().unwrap().body.as_deref(), Some("abc"));
        assert_eq!(reader.next(1).unwrap().unwrap().body, None);
        assert!(reader.next(1).unwrap().is_none());
    }

    #[test]
    fn refuses_what_is_not_http() {
        assert!(RequestReader::new(&b"nonsense\r\n\r\n"[..]).next(1).is_err());
        assert!(RequestReader::new(&b"GET / HTTP/1.1\r\nhalf"[..]).next(1).is_err());
    }
}
