//! Server-sent events, as the WHATWG HTML standard describes them (9.2.6): bytes in, frames out, without I/O.

use std::time::Duration;

use memchr::memchr2;

/// What a stream of bytes holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// An event.
    Frame(Frame<'a>),
    /// A line that means nothing; servers send such lines to show that they are there.
    Comment(&'a [u8]),
    /// How long to wait before connecting again.
    Retry(Duration),
}

/// An event as it came. What is not UTF-8 is replaced by whoever reads it as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// The id, if this very event has one.
    pub(crate) id: Option<&'a [u8]>,
    /// The name; empty if it has none.
    pub(crate) name: &'a [u8],
    /// The lines of its data, joined by line feeds.
    pub(crate) data: &'a [u8],
}

/// An event is larger than what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Reads a stream; takes it in pieces of any size.
#[derive(Debug)]
pub(crate) struct Parser {
    /// The beginning of a line whose end has not come.
    line: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    id: Vec<u8>,
    has_id: bool,
    name: Vec<u8>,
    /// The last line ended with a carriage return: a line feed right after it belongs to it.
    after_return: bool,
    /// No line has been read.
    at_start: bool,
    limit: usize,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl Parser {
    /// A parser of events of up to this many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Parser {
            line: Vec::new(),
            data: Vec::new(),
            has_data: false,
            id: Vec::new(),
            has_id: false,
            name: Vec::new(),
            after_return: false,
            at_start: true,
            limit,
        }
    }

    /// Takes the next bytes and hands what they complete to `sink`.
    ///
    /// # Errors
    /// [`TooLarge`]; the parser is of no use afterwards.
    pub(crate) fn feed(&mut self, mut bytes: &[u8], mut sink: impl FnMut(Piece<'_>)) -> Result<(), TooLarge> {
        if bytes.is_empty() {
            return Ok(());
        }
        if std::mem::take(&mut self.after_return) {
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = memchr2(b'\n', b'\r', bytes) {
            let (line, rest) = (&bytes[..end], &bytes[end..]);
            if self.line.is_empty() {
                self.read_line(line, &mut sink)?;
            } else {
                self.check(line.len())?;
                let mut whole = std::mem::take(&mut self.line);
                whole.extend_from_slice(line);
                self.read_line(&whole, &mut sink)?;
                whole.clear();
                self.line = whole;
            }
            bytes = match rest {
                [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.after_return = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.check(bytes.len())?;
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn check(&self, more: usize) -> Result<(), TooLarge> {
        if self.line.len() + self.data.len() + more > self.limit { Err(TooLarge) } else { Ok(()) }
    }

    fn read_line(&mut self, line: &[u8], sink: &mut impl FnMut(Piece<'_>)) -> Result<(), TooLarge> {
        let line = match std::mem::take(&mut self.at_start) {
            true => line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line),
            false => line,
        };
        if line.is_empty() {
            self.dispatch(sink);
            return Ok(());
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(0) => {
                sink(Piece::Comment(&line[1..]));
                return Ok(());
            }
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &[][..]),
        };
        match field {
            b"data" => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.check(value.len())?;
                self.data.extend_from_slice(value);
                self.has_data = true;
            }
            b"event" => {
                self.name.clear();
                self.name.extend_from_slice(value);
            }
            b"id" if !value.contains(&0) => {
                self.id.clear();
                self.id.extend_from_slice(value);
                self.has_id = true;
            }
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                let milliseconds = std::str::from_utf8(value).ok().and_then(|digits| digits.parse().ok());
                sink(Piece::Retry(Duration::from_millis(milliseconds.unwrap_or(u64::MAX))));
            }
            // Other fields mean nothing.
            _ => {}
        }
        Ok(())
    }

    fn dispatch(&mut self, sink: &mut impl FnMut(Piece<'_>)) {
        let id = std::mem::take(&mut self.has_id).then_some(&*self.id);
        if std::mem::take(&mut self.has_data) {
            sink(Piece::Frame(Frame { id, name: &self.name, data: &self.data }));
        }
        self.name.clear();
        self.data.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Read = (Option<String>, String, String);

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn read(pieces: &[&[u8]]) -> (Vec<Read>, Vec<String>, Vec<Duration>) {
        let mut parser = Parser::new(1 << 20);
        let (mut frames, mut comments, mut retries) = (Vec::new(), Vec::new(), Vec::new());
        for piece in pieces {
            parser
                .feed(piece, |piece| match piece {
                    Piece::Frame(frame) => {
                        frames.push((frame.id.map(text), text(frame.name), text(frame.data)))
                    }
                    Piece::Comment(comment) => comments.push(text(comment)),
                    Piece::Retry(delay) => retries.push(delay),
                })
                .unwrap();
        }
        (frames, comments, retries)
    }

    fn frame(id: Option<&str>, name: &str, data: &str) -> Read {
        (id.map(str::to_owned), name.to_owned(), data.to_owned())
    }

    #[test]
    fn the_frames_of_the_servers_that_exist() {
        let deno = b": connected to loki-mode event stream\n\nid: evt_6_1\nevent: phase:started\ndata: {\"id\":\"evt_6_1\"}\n\n: replayed 3 historical events\n\n";
        let (frames, comments, _) = read(&[deno]);
        assert_eq!(frames, [frame(Some("evt_6_1"), "phase:started", "{\"id\":\"evt_6_1\"}")]);
        assert_eq!(comments, [" connected to loki-mode event stream", " replayed 3 historical events"]);
        let node: [&[u8]; 4] = [
            b"event: connected\ndata: {\"status\":\"idle\"}\n\n",
            b"id: evt_1\n",
            b"event: heartbeat\n",
            b"data: {}\n\n",
        ];
        let frames = read(&node).0;
        let expected =
            [frame(None, "connected", "{\"status\":\"idle\"}"), frame(Some("evt_1"), "heartbeat", "{}")];
        assert_eq!(frames, expected);
    }

    #[test]
    fn the_rules_of_the_standard() {
        let cases: [(&str, Vec<Read>); 9] = [
            ("data: a\ndata:b\ndata\n\n", vec![frame(None, "", "a\nb\n")]),
            ("data:\n\n", vec![frame(None, "", "")]),
            ("event: x\n\ndata: y\n\n", vec![frame(None, "", "y")]),
            ("\u{feff}data: a\n\n\u{feff}data: b\n\n", vec![frame(None, "", "a")]),
            ("data:  two blanks\n\n", vec![frame(None, "", " two blanks")]),
            ("id: a\0b\ndata: x\n\n", vec![frame(None, "", "x")]),
            ("id\ndata: x\n\n", vec![frame(Some(""), "", "x")]),
            ("unknown: 1\nDATA: x\n\ndata: y\n\n", vec![frame(None, "", "y")]),
            ("data: unfinished", vec![]),
        ];
        for (text, expected) in cases {
            for end in ["\n", "\r", "\r\n"] {
                assert_eq!(read(&[text.replace('\n', end).as_bytes()]).0, expected, "{text:?} with {end:?}");
            }
        }
        let (_, _, retries) = read(&[b"retry: 1500\nretry: x\nretry:\nretry: 99999999999999999999\n"]);
        assert_eq!(retries, [Duration::from_millis(1500), Duration::from_millis(u64::MAX)]);
    }

    #[test]
    fn an_event_without_end_is_refused() {
        for line in [&b"data: xxxxxxxxxxxxxxxx\n"[..], b"xxxxxxxxxxxxxxxxxxxx"] {
            let mut parser = Parser::new(100);
            let outcome = (0..10).try_for_each(|_| parser.feed(line, |_| {}));
            assert_eq!(outcome, Err(TooLarge));
        }
        let mut parser = Parser::new(100);
        for _ in 0..1000 {
            assert_eq!(parser.feed(b"data: xxxxxxxxxxxxxxxx\n\n: a comment\n", |_| {}), Ok(()));
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

        /// Where a stream is cut into pieces makes no difference.
        #[test]
        fn any_split_gives_the_same(
            text in "((data|id|event|retry|x)?(:)?( )?[a-z0-9\u{e9}\u{feff}]{0,4}(\n|\r|\r\n|\n\n)){0,12}",
            cuts in proptest::collection::vec(0_usize..200, 0..20),
        ) {
            let bytes = text.as_bytes();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut begin = 0;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                pieces.push(&bytes[begin..cut]);
                begin = cut;
            }
            proptest::prop_assert_eq!(read(&pieces), read(&[bytes]));
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            proptest::prop_assert_eq!(read(&single), read(&[bytes]));
        }
    }
}
