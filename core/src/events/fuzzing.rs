//! What must hold for whatever a server sends where events are read; see `fuzz/`.

use serde_json::Value as Json;

use super::cursor::Cursor;
use super::live::event::{Filter, read_event};
use super::replay::{News, Remark, Replay};
use super::sse::{Parser, Piece};
use super::{EventStream, LiveOptions, parse_timestamp};
use crate::fuzzing::has_long_number;

/// Following a timeline. The first line is `since`; every further one is what a poll is answered.
pub fn cursor(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let mut lines = text.lines();
    let since = lines.next().and_then(parse_timestamp);
    let stream = EventStream::new();
    for timeline in lines {
        let Ok(new) = stream.new_events("run", since, timeline.as_bytes(), || Ok(timeline)) else { continue };
        let (given, all) = match (serde_json::from_str(&new), serde_json::from_str(timeline)) {
            (Ok(given), Ok(all)) => (given, all),
            // A number beyond a float is passed on as it came, but this check cannot read it.
            _ if has_long_number(timeline.as_bytes()) => continue,
            (given, all) => panic!("{new} ({given:?}) was given out for {timeline} ({all:?})"),
        };
        let (given, all): (Vec<Json>, Vec<Json>) = (given, all);
        assert!(given.iter().all(|event| all.contains(event)), "{new} is not part of {timeline}");
        if well_formed(&all) {
            let again =
                stream.new_events("run", since, timeline.as_bytes(), || Ok(timeline)).unwrap_or_default();
            assert_eq!(again, "[]", "given out twice");
        }
    }
}

/// Whether the ids are rising integers, which is what servers number events with.
fn well_formed(events: &[Json]) -> bool {
    let ids: Vec<_> = events.iter().map(|event| event.get("id").and_then(Json::as_i64)).collect();
    ids.iter().all(Option::is_some) && ids.is_sorted_by(|a, b| a < b)
}

/// Server-sent events. The first two bytes say how the rest is cut into pieces; the first line of a cursor is read, too.
pub fn sse(data: &[u8]) {
    let [size, shift, bytes @ ..] = data else { return };
    let pieces = |size: usize, offset: usize| {
        let (head, tail) = bytes.split_at(offset.min(bytes.len()));
        [head].into_iter().chain(tail.chunks(size.max(1)))
    };
    let whole = pieces_of(pieces(usize::MAX, 0));
    assert_eq!(pieces_of(pieces(usize::from(*size), usize::from(*shift))), whole, "cut in another way");
    let Ok(filter) = Filter::new(&LiveOptions::default()) else { return };
    let (mut replay, mut news) = (Replay::default(), Vec::new());
    replay.connected(None, true);
    for (at, piece) in whole.iter().enumerate() {
        if at == whole.len() / 2 {
            replay.connected(None, false);
        }
        match piece {
            Owned::Frame { id, name, data } => {
                let frame = super::sse::Frame { id: id.as_deref(), name, data };
                if let Some(event) = read_event(&frame, &filter) {
                    replay.event(event, &mut news);
                }
            }
            Owned::Comment(comment) => {
                if let Some(remark) = Remark::read(comment) {
                    replay.remark(remark, &mut news);
                }
            }
            Owned::Retry(_) => {}
        }
    }
    replay.settle(&mut news);
    let mut seen = std::collections::HashSet::new();
    for news in news {
        let json = match news {
            News::Event(event) => {
                if let Some(id) = &event.id {
                    assert!(seen.insert((id.clone(), event.time)), "given out twice: {event:?}");
                }
                event.json.into_owned()
            }
            News::Gap(gap) => gap.to_json(),
        };
        match serde_json::from_str::<Json>(&json) {
            Ok(event) => assert!(event.get("type").is_some_and(Json::is_string), "{json}"),
            Err(_) => assert!(has_long_number(json.as_bytes()), "no JSON: {json}"),
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(cursor) = Cursor::from_text(text)
    {
        assert_eq!(Cursor::from_text(&cursor.to_text()).ok(), Some(cursor));
    }
}

/// A piece that stays.
#[derive(Debug, PartialEq)]
enum Owned {
    Frame { id: Option<Vec<u8>>, name: Vec<u8>, data: Vec<u8> },
    Comment(Vec<u8>),
    Retry(std::time::Duration),
}

fn pieces_of<'a>(bytes: impl Iterator<Item = &'a [u8]>) -> Vec<Owned> {
    let mut parser = Parser::new(usize::MAX);
    let mut pieces = Vec::new();
    for bytes in bytes {
        // Nothing is too large for it.
        let _ = parser.feed(bytes, |piece| {
            pieces.push(match piece {
                Piece::Frame(frame) => Owned::Frame {
                    id: frame.id.map(<[u8]>::to_vec),
                    name: frame.name.to_vec(),
                    data: frame.data.to_vec(),
                },
                Piece::Comment(comment) => Owned::Comment(comment.to_vec()),
                Piece::Retry(delay) => Owned::Retry(delay),
            });
        });
    }
    pieces
}
