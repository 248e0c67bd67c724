//! A server with a long list, which changes while it is gone through.

use std::sync::{Arc, Mutex};

use loki_mode_core::stream::Stream;
use loki_mode_core::{Args, Client, Options, PageOptions, PathStyle};

use crate::common::{Reply, Seen, Server, json, next_ids};

/// What happens to the rows of a list.
pub(crate) type Change = fn(&mut Vec<i64>);

/// A list on a server, and how the server takes what it is asked.
pub(crate) struct List {
    pub(crate) rows: Vec<i64>,
    pub(crate) ignores_limit: bool,
    pub(crate) ignores_offset: bool,
    /// It never gives more than these.
    pub(crate) cap: usize,
    /// What to do before the request of this number, from 1, is answered.
    pub(crate) meanwhile: Vec<(usize, Change)>,
    pub(crate) asked: usize,
    pub(crate) trouble: Vec<Reply>,
}

impl Default for List {
    fn default() -> Self {
        List {
            rows: (1..=25).rev().collect(),
            ignores_limit: false,
            ignores_offset: false,
            cap: usize::MAX,
            meanwhile: Vec::new(),
            asked: 0,
            trouble: Vec::new(),
        }
    }
}

pub(crate) fn row(path: &str, id: i64) -> String {
    match path {
        "GET /api/audit" => {
            format!(r#"{{"timestamp":"2026-11-21T22:50:49","action":"a{id}","success":true}}"#)
        }
        "GET /api/sessions/s/tasks" => format!(r#"{{"id":"t{id}","title":"{id}"}}"#),
        _ => format!(r#"{{"id":{id},"status":"running"}}"#),
    }
}

pub(crate) fn answer(list: &mut List, seen: &Seen) -> Reply {
    if let Some(reply) = list.trouble.pop() {
        return reply;
    }
    list.asked += 1;
    for (_, change) in list.meanwhile.iter().filter(|(when, _)| *when == list.asked) {
        change(&mut list.rows);
    }
    let (path, query) = seen.target().split_once('?').unwrap_or((seen.target(), ""));
    let number = |name: &str| -> Option<usize> {
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
    };
    let limit = number("limit").filter(|_| !list.ignores_limit).unwrap_or(usize::MAX).min(list.cap);
    let offset = number("offset").filter(|_| !list.ignores_offset).unwrap_or(0);
    let rows: Vec<_> = list.rows.iter().skip(offset).take(limit).map(|id| row(path, *id)).collect();
    let rows = format!("[{}]", rows.join(","));
    json(200, &if path.ends_with("tasks") { format!(r#"{{"tasks":{rows}}}"#) } else { rows })
}

pub(crate) fn serve(list: List) -> (Server, Client, Arc<Mutex<List>>) {
    let list = Arc::new(Mutex::new(list));
    let shared = Arc::clone(&list);
    let server = Server::new(move |seen| answer(&mut shared.lock().unwrap(), seen));
    let client = Client::new(Options { path_style: PathStyle::Guide, ..server.options() }).unwrap();
    (server, client, list)
}

pub(crate) fn paged(size: u64) -> PageOptions {
    PageOptions { page_size: Some(size), ..PageOptions::default() }
}

pub(crate) fn runs(client: &Client, args: &str, options: PageOptions) -> Stream {
    let operation = loki_mode_spec::operation("list_runs").unwrap();
    client.pages(operation, Args::from_json(operation, args).unwrap(), options).unwrap()
}

pub(crate) fn all(stream: &Stream) -> Vec<i64> {
    std::iter::from_fn(|| next_ids(stream).unwrap()).flatten().collect()
}

pub(crate) fn down_from(first: i64) -> Vec<i64> {
    (1..=first).rev().collect()
}
