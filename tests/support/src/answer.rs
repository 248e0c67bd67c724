//! Giving an answer, faults included.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, SystemTime};

use crate::acceptor::Stop;
use crate::relay::reset;
use crate::script::{Chunked, Garbage, HalfOpen, Reply};

/// What becomes of the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request is read.
    KeepAlive,
    /// The connection is closed in order (FIN).
    Close,
    /// The connection is dropped as it is.
    Drop,
}

/// An answer as bytes, and where its parts begin.
struct Wire {
    bytes: Vec<u8>,
    status_line: usize,
    head: usize,
}

/// Gives one answer.
pub(crate) fn give(stream: &TcpStream, reply: &Reply, base_url: &str, stop: &Stop) -> io::Result<After> {
    let faults = &reply.faults;
    if faults.read_then_close {
        return Ok(After::Close);
    }
    if faults.hold {
        wait_for_the_client_to_leave(stream)?;
        return Ok(After::Close);
    }
    if let Some(delay) = faults.delay_ms {
        stop.sleep(Duration::from_millis(delay))?;
    }
    match &faults.garbage {
        None | Some(Garbage::Default(false)) => {}
        Some(garbage) => {
            let bytes = match garbage {
                Garbage::Text(text) => text.as_bytes(),
                Garbage::Default(_) => b"\x00\x01\xff\xfe this is not HTTP\r\n\r\n",
            };
            send(stream, bytes, faults.drip_ms, stop)?;
            return Ok(After::Close);
        }
    }
    let wire = wire(reply, base_url).map_err(io::Error::other)?;
    let (limit, then) = limit(reply, &wire);
    send_parts(stream, reply, &wire, limit, stop)?;
    match then {
        Then::Continue if faults.endless => endless(stream, faults.drip_ms, stop),
        Then::Continue => Ok(if closes_after(reply) { After::Close } else { After::KeepAlive }),
        Then::Close => Ok(After::Close),
        Then::Reset => {
            reset(stream);
            Ok(After::Drop)
        }
        Then::Silence => {
            wait_for_the_client_to_leave(stream)?;
            Ok(After::Close)
        }
    }
}

/// What happens when the last byte that may be sent has been sent.
enum Then {
    Continue,
    Close,
    Reset,
    Silence,
}

fn limit(reply: &Reply, wire: &Wire) -> (usize, Then) {
    let whole = wire.bytes.len();
    let faults = &reply.faults;
    if let Some(count) = faults.reset_after {
        return (count.min(whole), Then::Reset);
    }
    if let Some(count) = faults.cut_after {
        return (count.min(whole), Then::Close);
    }
    match faults.half_open {
        Some(HalfOpen::After(count)) => return (count.min(whole), Then::Silence),
        Some(HalfOpen::Head(true)) => return (wire.head, Then::Silence),
        Some(HalfOpen::Head(false)) | None => {}
    }
    match faults.chunked {
        // The last chunk's data ends 7 bytes before the end: CRLF and the closing chunk.
        Some(Chunked::Broken(_)) => (whole.saturating_sub(8).max(wire.head), Then::Close),
        _ => (whole, Then::Continue),
    }
}

fn closes_after(reply: &Reply) -> bool {
    let says_close = reply
        .headers
        .iter()
        .any(|(name, value)| name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close"));
    says_close || reply.faults.close_after || reply.faults.wrong_length.is_some_and(|extra| extra > 0)
}

fn wire(reply: &Reply, base_url: &str) -> Result<Wire, String> {
    let faults = &reply.faults;
    let status = reply.status.unwrap_or(200);
    let (body, content_type) = reply.body()?;
    let given = |name: &str| reply.headers.keys().any(|key| key.eq_ignore_ascii_case(name));
    let chunked = faults.endless || matches!(faults.chunked, Some(Chunked::Whole(true) | Chunked::Broken(_)));

    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    let status_line = head.len();
    for (name, value) in &reply.headers {
        let _ = write!(head, "{name}: {}\r\n", filled(value, base_url, SystemTime::now())?);
    }
    if let Some(content_type) = content_type.filter(|_| !given("content-type")) {
        let _ = write!(head, "content-type: {content_type}\r\n");
    }
    if let Some(size) = faults.header_bomb {
        let line = format!("x-bomb: {}\r\n", "b".repeat(100));
        for _ in 0..size.div_ceil(line.len()) {
            head.push_str(&line);
        }
    }
    if chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    } else if !given("content-length") && !given("transfer-encoding") && status >= 200 && status != 304 {
        let length = i64::try_from(body.len()).map_err(|error| error.to_string())?;
        // A 204 has no body and announces none.
        if status != 204 || length > 0 {
            let _ = write!(
                head,
                "content-length: {}\r\n",
                length.saturating_add(faults.wrong_length.unwrap_or(0)).max(0)
            );
        }
    }
    head.push_str("\r\n");

    let mut bytes = head.into_bytes();
    let head = bytes.len();
    if chunked {
        for chunk in body.chunks(body.len().div_ceil(2).max(1)) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).into_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        if !faults.endless {
            bytes.extend_from_slice(b"0\r\n\r\n");
        }
    } else {
        bytes.extend(body);
    }
    Ok(Wire { bytes, status_line, head })
}

/// The value of a header field with what its placeholders stand for.
pub(crate) fn filled(value: &str, base_url: &str, now: SystemTime) -> Result<String, String> {
    let mut filled = value.replace("{{base_url}}", base_url);
    while let Some((before, rest)) = filled.split_once("{{date+") {
        let number = rest.split_once("}}").and_then(|(seconds, after)| Some((seconds.parse().ok()?, after)));
        let (seconds, after) = number.ok_or_else(|| format!("{value:?} has a date that cannot be read"))?;
        let date = now.checked_add(Duration::from_secs(seconds)).ok_or("a date beyond all clocks")?;
        filled = format!("{before}{}{after}", httpdate::fmt_http_date(date));
    }
    Ok(filled)
}

fn send_parts(stream: &TcpStream, reply: &Reply, wire: &Wire, limit: usize, stop: &Stop) -> io::Result<()> {
    let faults = &reply.faults;
    let mut sent = 0;
    for (end, delay) in [(wire.status_line, faults.head_delay_ms), (wire.head, faults.body_delay_ms)] {
        if let Some(delay) = delay.filter(|_| end < limit) {
            send(stream, &wire.bytes[sent..end], faults.drip_ms, stop)?;
            sent = end;
            stop.sleep(Duration::from_millis(delay))?;
        }
    }
    send(stream, &wire.bytes[sent..limit], faults.drip_ms, stop)
}

fn send(mut stream: &TcpStream, bytes: &[u8], drip_ms: Option<u64>, stop: &Stop) -> io::Result<()> {
    let Some(pause) = drip_ms else { return stream.write_all(bytes) };
    for byte in bytes {
        stop.sleep(Duration::from_millis(pause))?;
        stream.write_all(std::slice::from_ref(byte))?;
    }
    Ok(())
}

/// Sends spaces until that fails, because the client has left or the server stops.
fn endless(stream: &TcpStream, drip_ms: Option<u64>, stop: &Stop) -> io::Result<After> {
    let size = if drip_ms.is_some() { 1 } else { 16 * 1024 };
    let chunk = format!("{size:x}\r\n{}\r\n", " ".repeat(size));
    loop {
        if let Some(pause) = drip_ms {
            stop.sleep(Duration::from_millis(pause))?;
        }
        if send(stream, chunk.as_bytes(), None, stop).is_err() {
            return Ok(After::Close);
        }
    }
}

/// Returns when the client closes its side, or the server stops.
fn wait_for_the_client_to_leave(mut stream: &TcpStream) -> io::Result<()> {
    let mut block = [0; 1024];
    while stream.read(&mut block)? > 0 {}
    Ok(())
}

/// Closes in order: everything that was sent arrives, then the end of the stream.
pub(crate) fn close(stream: &TcpStream) {
    // Fails only if the connection is gone already, which is what is wanted.
    let _ = stream.shutdown(Shutdown::Write);
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        409 => "Conflict",
        410 => "Gone",
        422 => "Unprocessable Entity",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        _ => "Status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_in_headers_are_filled() {
        let fill = |value| filled(value, "http://h:1", SystemTime::UNIX_EPOCH);
        assert_eq!(fill("{{base_url}}/x").unwrap(), "http://h:1/x");
        assert_eq!(fill("{{date+90}}").unwrap(), "Thu, 01 Jan 1970 00:01:30 GMT");
        assert!(fill("{{date+soon}}").is_err() && fill("{{date+1").is_err());
    }
}
