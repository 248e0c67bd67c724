//! Audit queries between moments, against servers with habits of their own: compared with what a filter gives.

use crate::common::{Reply, Seen, Server, call, json};
use loki_mode_core::{Client, Options, PathStyle};

/// Minutes of an hour at which there are entries, newest first; two share one.
const ENTRIES: [u32; 12] = [55, 50, 45, 40, 35, 30, 30, 25, 20, 15, 10, 5];

#[derive(Clone, Copy)]
struct Habits {
    /// It never lists more than these.
    cap: usize,
    ignores_limit: bool,
    ignores_offset: bool,
}

const HONEST: Habits = Habits { cap: usize::MAX, ignores_limit: false, ignores_offset: false };

fn entry(place: usize) -> String {
    format!(r#"{{"timestamp":"2026-02-01T08:{:02}:00Z","action":"a{place}","success":true}}"#, ENTRIES[place])
}

fn answer(habits: Habits, seen: &Seen) -> Reply {
    let query = seen.target().split_once('?').map_or("", |(_, query)| query);
    let number = |name: &str| -> Option<usize> {
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let limit = number("limit").filter(|_| !habits.ignores_limit).unwrap_or(usize::MAX).min(habits.cap);
    let offset = number("offset").filter(|_| !habits.ignores_offset).unwrap_or(0);
    let rows: Vec<_> = (0..ENTRIES.len()).skip(offset).take(limit).map(entry).collect();
    json(200, &format!("[{}]", rows.join(",")))
}

fn moment(minute: Option<u32>) -> String {
    minute.map_or("null".to_owned(), |minute| format!(r#""2026-02-01T08:{minute:02}:00Z""#))
}

/// Asks for every span, limit and offset.
fn compare(habits: Habits, is_exact: fn(first: Option<u32>, last: Option<u32>) -> bool) {
    let server = Server::new(move |seen| answer(habits, seen));
    let client = Client::new(Options { path_style: PathStyle::Guide, ..server.options() }).unwrap();
    let bounds = [None, Some(0), Some(12), Some(30), Some(45), Some(59)];
    for (first, last) in bounds.iter().flat_map(|first| bounds.iter().map(move |last| (*first, *last))) {
        if (first, last) == (None, None) || !is_exact(first, last) {
            continue;
        }
        for (limit, offset) in [(1, 0), (2, 3), (3, 1), (5, 6), (100, 0), (100, 4), (10_000, 11)] {
            let within = |place: &usize| {
                let minute = ENTRIES[*place];
                first.is_none_or(|first| minute >= first) && last.is_none_or(|last| minute <= last)
            };
            let wanted: Vec<_> =
                (0..ENTRIES.len()).filter(within).skip(offset).take(limit).map(entry).collect();
            let args = format!("[{},{},null,{limit},null,{offset}]", moment(first), moment(last));
            let found = call(&client, "query_audit", &args).unwrap();
            assert_eq!(found.payload().unwrap(), format!("[{}]", wanted.join(",")), "{args}");
        }
    }
}

#[test]
fn all_entries_between_two_moments_however_few_the_server_gives_at_a_time() {
    for cap in [usize::MAX, 1, 2, 3, 7, ENTRIES.len()] {
        compare(Habits { cap, ..HONEST }, |_, _| true);
    }
}

#[test]
fn a_server_that_takes_no_notice_of_the_limit() {
    compare(Habits { ignores_limit: true, ..HONEST }, |_, _| true);
}

#[test]
fn a_server_that_takes_no_notice_of_the_offset() {
    // Without a last moment the offset is the server's business.
    for ignores_limit in [false, true] {
        compare(Habits { ignores_limit, ignores_offset: true, ..HONEST }, |_, last| last.is_some());
    }
}
