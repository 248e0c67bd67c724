//! Whatever a server does between polls, each event is given out once and none is missed.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::timeline::Timeline;
use super::watermark::Watermark;

/// What happens between and during polls.
#[derive(Debug, Clone)]
enum Happening {
    /// Events are made, all within one second; some of them become visible only later.
    Made { count: usize, after: i64, late: Vec<bool> },
    /// What was late becomes visible.
    Visible,
    /// The timeline is asked for; events of one second come in an order of their own.
    Polled { shuffle: u64 },
    /// The same answer comes twice.
    Resent,
    /// The program was restarted, and goes on with its cursor.
    Resumed,
    /// The server lost all of its data.
    Lost,
    /// The server lost its last events.
    RolledBack { events: usize },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        6 => (1_usize..25, 0_i64..3, prop::collection::vec(any::<bool>(), 1..4))
            .prop_map(|(count, after, late)| Happening::Made { count, after, late }),
        3 => Just(Happening::Visible),
        8 => any::<u64>().prop_map(|shuffle| Happening::Polled { shuffle }),
        2 => Just(Happening::Resent),
        2 => Just(Happening::Resumed),
        1 => Just(Happening::Lost),
        1 => (1_usize..20).prop_map(|events| Happening::RolledBack { events }),
    ]
}

#[derive(Debug, Clone)]
struct Made {
    id: i64,
    second: i64,
    /// Unique over all lives of the server.
    serial: usize,
    visible: bool,
}

#[derive(Debug, Default)]
struct Server {
    named: bool,
    wrapped: bool,
    events: Vec<Made>,
    next_id: i64,
    clock: i64,
    serial: usize,
}

impl Server {
    fn make(&mut self, late: bool) {
        self.next_id += 1 + (self.serial % 3) as i64;
        self.events.push(Made { id: self.next_id, second: self.clock, serial: self.serial, visible: !late });
        self.serial += 1;
    }

    fn answer(&self, shuffle: u64) -> (String, Vec<usize>) {
        let mut visible: Vec<&Made> = self.events.iter().filter(|event| event.visible).collect();
        if shuffle % 2 == 1 {
            let mixed = |event: &&Made| (event.serial as u64).wrapping_mul(shuffle | 1) % 97;
            visible.sort_by_key(|event| (event.second, mixed(event)));
        }
        let texts: Vec<String> = visible
            .iter()
            .map(|event| {
                let time = jiff::Timestamp::from_second(1_700_000_000 + event.second).unwrap();
                let id = if self.named { format!("\"e{}\"", event.serial) } else { event.id.to_string() };
                format!(r#"{{"id":{id},"event_type":"x","timestamp":"{time}","serial":{}}}"#, event.serial)
            })
            .collect();
        let list = format!("[{}]", texts.join(","));
        let body = match self.wrapped {
            true => format!(r#"{{"run_id":1,"events":{list},"duration_seconds":null}}"#),
            false => list,
        };
        (body, visible.iter().map(|event| event.serial).collect())
    }
}

#[derive(serde::Deserialize)]
struct Serial {
    serial: usize,
}

fn poll(timeline: &mut Timeline, body: &str) -> Vec<usize> {
    let list = || {
        let begin = body.find('[').unwrap();
        Ok(&body[begin..=body.rfind(']').unwrap()])
    };
    let news = timeline.read(body.as_bytes(), list).unwrap();
    for entry in &news.events.entries {
        timeline.mark.give(entry);
    }
    let json = news.events.to_json(0..news.events.len());
    serde_json::from_str::<Vec<Serial>>(&json).unwrap().into_iter().map(|event| event.serial).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn each_event_comes_exactly_once(
        named in any::<bool>(),
        wrapped in any::<bool>(),
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut server = Server { named, wrapped, ..Server::default() };
        let mut timeline = Timeline::default();
        let (mut shown, mut given) = (HashSet::new(), Vec::new());
        let mut last_answer: Option<String> = None;
        // What is lost beyond that which a cursor remembers cannot be told from what was never seen.
        let mut may_roll_back = false;
        // Nor can an event with a name that was lost be told from one that comes again: it keeps its place in the cursor,
        // which has 32.
        let mut named_and_lost = 0;
        let last = [Happening::Visible, Happening::Polled { shuffle: 0 }, Happening::Polled { shuffle: 0 }];
        for happening in happenings.into_iter().chain(last) {
            match happening {
                Happening::Made { count, after, late } => {
                    server.clock += after;
                    // What becomes visible after more than what is remembered in a cursor is taken for old.
                    let oldest = (server.events.len() + count).saturating_sub(30).min(server.events.len());
                    server.events[..oldest].iter_mut().for_each(|event| event.visible = true);
                    for n in 0..count {
                        server.make(late[n % late.len()]);
                    }
                    last_answer = None;
                }
                Happening::Visible => server.events.iter_mut().for_each(|event| event.visible = true),
                Happening::Polled { shuffle } => {
                    may_roll_back = true;
                    let (body, visible) = server.answer(shuffle);
                    shown.extend(visible);
                    given.extend(poll(&mut timeline, &body));
                    last_answer = Some(body);
                }
                Happening::Resent => {
                    if let Some(body) = &last_answer {
                        prop_assert_eq!(poll(&mut timeline, body), Vec::<usize>::new());
                    }
                }
                Happening::Resumed => {
                    let kept = serde_json::to_string(&timeline.mark.abridged()).unwrap();
                    timeline = Timeline::marked(serde_json::from_str::<Watermark>(&kept).unwrap());
                }
                Happening::RolledBack { events } if !may_roll_back || named_and_lost + events >= 32 => {}
                Happening::Lost | Happening::RolledBack { .. } => {
                    may_roll_back = false;
                    named_and_lost = match happening {
                        Happening::RolledBack { events } if named => named_and_lost + events,
                        _ => 0,
                    };
                    // A server that comes back has a later clock.
                    server.clock += 2;
                    let kept = match happening {
                        Happening::RolledBack { events } => server.events.len().saturating_sub(events),
                        _ => 0,
                    };
                    // A backup has what was committed.
                    server.events.truncate(kept);
                    server.events.retain(|event| event.visible);
                    server.next_id = server.events.last().map_or(0, |event| event.id);
                    last_answer = None;
                }
            }
        }
        let mut times: HashMap<usize, usize> = HashMap::new();
        for serial in &given {
            *times.entry(*serial).or_default() += 1;
        }
        let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        prop_assert!(repeated.is_empty(), "given out more than once: {:?}", repeated);
        let missed: Vec<_> = shown.iter().filter(|serial| !times.contains_key(serial)).collect();
        prop_assert!(missed.is_empty(), "never given out: {:?}", missed);
    }

    /// As the guide's loop polls: with the timestamp of the last event that it was given.
    #[test]
    fn the_guides_loop_gets_each_event_exactly_once(
        steps in prop::collection::vec((1_usize..20, 0_i64..3), 1..40),
    ) {
        let mut server = Server::default();
        let mut timeline = Timeline::default();
        let (mut given, mut since) = (Vec::new(), None);
        for (count, after) in steps {
            server.clock += after;
            (0..count).for_each(|_| server.make(false));
            timeline.start_at(since);
            let (body, _) = server.answer(0);
            let new = poll(&mut timeline, &body);
            if let Some(last) = new.last() {
                since = jiff::Timestamp::from_second(1_700_000_000 + server.events[*last].second).ok();
            }
            given.extend(new);
        }
        prop_assert_eq!(given, (0..server.serial).collect::<Vec<_>>());
    }
}
