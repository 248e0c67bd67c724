//! Going through long lists over real sockets, while they change.

use std::sync::{Arc, Mutex};

use loki_mode_core::generated::{ListRuns, ListSessionTasks, QueryAudit};
use loki_mode_core::{Args, Client, ErrorKind, Options, PageOptions, PathStyle};

use crate::common::{Server, json, next_ids as page};
use crate::list_server::{Change, List, all, answer, down_from, paged, runs, serve};

#[test]
fn a_list_is_gone_through_page_by_page_with_its_filters_and_no_sooner_than_wanted() {
    let (server, client, _list) = serve(List::default());
    let stream = runs(&client, r#"[7, "running", 3, 4]"#, paged(12));
    assert_eq!(server.targets(), [""; 0]);
    assert_eq!(page(&stream).unwrap().unwrap(), (14..=25).rev().collect::<Vec<_>>());
    assert_eq!(server.targets(), ["GET /api/runs?project_id=7&status=running&limit=12"]);
    assert_eq!(all(&stream), down_from(13));
    let others = [
        "GET /api/runs?project_id=7&status=running&limit=13&offset=11",
        "GET /api/runs?project_id=7&status=running&limit=13&offset=23",
        // That nothing comes after the last row shows only now.
        "GET /api/runs?project_id=7&status=running&limit=13&offset=24",
    ];
    assert_eq!(server.targets(), others);
}

#[test]
fn every_size_of_a_page_gives_everything_once() {
    for length in 0..=25 {
        for size in [1, 2, 3, 5, 10, 24, 25, 26, 1000] {
            let (_server, client, _list) = serve(List { rows: down_from(length), ..List::default() });
            assert_eq!(all(&runs(&client, "[]", paged(size))), down_from(length), "{length} by {size}");
        }
    }
}

#[test]
fn no_more_is_asked_for_than_is_wanted() {
    for (max, expected) in [(0, vec![]), (1, vec!["limit=1"]), (7, vec!["limit=5", "limit=3&offset=4"])] {
        let (server, client, _list) = serve(List::default());
        let stream = runs(&client, "[]", PageOptions { max_items: Some(max), ..paged(5) });
        assert_eq!(all(&stream).len() as u64, max);
        let queries: Vec<_> = expected.into_iter().map(|query| format!("GET /api/runs?{query}")).collect();
        assert_eq!(server.targets(), queries);
    }
}

#[test]
fn what_is_added_meanwhile_repeats_nothing() {
    for (size, added) in [(5, 1), (5, 4), (5, 5), (5, 12), (1, 3)] {
        let add: Change = match added {
            1 => |rows| rows.insert(0, 101),
            3 => |rows| drop(rows.splice(0..0, [103, 102, 101])),
            4 => |rows| drop(rows.splice(0..0, [104, 103, 102, 101])),
            5 => |rows| drop(rows.splice(0..0, [105, 104, 103, 102, 101])),
            _ => |rows| drop(rows.splice(0..0, (101..=112).rev())),
        };
        let (_server, client, _list) =
            serve(List { meanwhile: vec![(2, add), (4, |rows| rows.insert(0, 200))], ..List::default() });
        let given = all(&runs(&client, "[]", paged(size)));
        let old: Vec<_> = given.iter().copied().filter(|id| *id <= 25).collect();
        assert_eq!(old, down_from(25), "{size} {added}: {given:?}");
        let mut each = given.clone();
        each.sort_unstable();
        each.dedup();
        assert_eq!(each.len(), given.len(), "{given:?}");
    }
}

#[test]
fn what_is_removed_meanwhile_hides_nothing() {
    // One of those that were given out, all of them, and some that were not.
    let removals: [Change; 4] = [
        |rows| rows.truncate_front(1),
        |rows| rows.retain(|id| *id <= 15),
        |rows| rows.retain(|id| *id <= 21 || *id == 24),
        |rows| rows.retain(|id| id % 2 == 1),
    ];
    for (at, removal) in removals.into_iter().enumerate() {
        for size in [1, 3, 10] {
            let (_server, client, list) = serve(List {
                meanwhile: vec![(2, removal), (3, |rows| rows.truncate_front(1))],
                ..List::default()
            });
            let mut given = all(&runs(&client, "[]", paged(size)));
            given.sort_unstable_by(|a, b| b.cmp(a));
            let left = list.lock().unwrap().rows.clone();
            for id in left {
                assert_eq!(
                    given.iter().filter(|given| **given == id).count(),
                    1,
                    "{at} {size}: {id} in {given:?}"
                );
            }
        }
    }
}

trait TruncateFront {
    fn truncate_front(&mut self, count: usize);
}

impl TruncateFront for Vec<i64> {
    fn truncate_front(&mut self, count: usize) {
        self.drain(..count);
    }
}

#[test]
fn whatever_happens_to_a_list_what_stays_in_it_is_given_once() {
    for seed in 0..300 {
        let mut random = fastrand::Rng::with_seed(seed);
        let cap = if random.bool() { random.usize(2..30) } else { usize::MAX };
        let (rows, ignores_limit) = (down_from(random.i64(0..60)), random.u8(0..4) == 0);
        let list = Arc::new(Mutex::new(List { rows, cap, ignores_limit, ..List::default() }));
        let (stays, mut next) = (Arc::new(Mutex::new(list.lock().unwrap().rows.clone())), 1000);
        let (size, path) = (random.u64(1..20), ["list_runs", "list_projects"][random.usize(0..2)]);
        let (shared, staying) = (Arc::clone(&list), Arc::clone(&stays));
        let server = Server::new(move |seen| {
            let mut list = shared.lock().unwrap();
            for _ in 0..random.usize(0..3) {
                if random.bool() {
                    next += 1;
                    let place = if random.u8(0..4) == 0 { random.usize(0..=list.rows.len()) } else { 0 };
                    list.rows.insert(place, next);
                } else if !list.rows.is_empty() {
                    let place = random.usize(0..list.rows.len());
                    let gone = list.rows.remove(place);
                    staying.lock().unwrap().retain(|id| *id != gone);
                }
            }
            answer(&mut list, seen)
        });
        let client = Client::new(Options { path_style: PathStyle::Guide, ..server.options() }).unwrap();
        let operation = loki_mode_spec::operation(path).unwrap();
        let stream = client.pages(operation, Args::from_json(operation, "[]").unwrap(), paged(size)).unwrap();
        let given = all(&stream);
        for id in stays.lock().unwrap().iter() {
            assert!(given.contains(id), "{seed}: {id} in {given:?}");
        }
        let mut each = given.clone();
        each.sort_unstable();
        each.dedup();
        assert_eq!(each.len(), given.len(), "{seed}: {given:?}");
    }
}

#[test]
fn a_list_that_shrinks_as_it_is_dealt_with_is_dealt_with_to_its_end() {
    // As with all runs that are running, each of which is cancelled.
    let (_server, client, list) = serve(List::default());
    let stream = runs(&client, "[]", paged(4));
    let mut given = Vec::new();
    while let Some(ids) = page(&stream).unwrap() {
        list.lock().unwrap().rows.retain(|id| !ids.contains(id));
        given.extend(ids);
    }
    assert_eq!(given, down_from(25));
}

#[test]
fn the_last_row_may_go_before_it_is_known_to_be_the_last() {
    for gone in 1..=25 {
        let (server, client, list) = serve(List::default());
        let stream = runs(&client, "[]", PageOptions::default());
        assert_eq!(page(&stream).unwrap().unwrap(), down_from(25));
        list.lock().unwrap().rows.truncate(25 - gone);
        assert_eq!(page(&stream).unwrap(), None, "{gone}");
        assert!(server.requests().len() <= 5, "{gone}");
    }
}

#[test]
fn an_error_takes_nothing_away_and_a_page_has_the_retries_of_a_call() {
    let (server, client, list) = serve(List::default());
    let stream = runs(&client, "[]", PageOptions { headers: vec![("x-a".into(), "b".into())], ..paged(12) });
    page(&stream).unwrap();
    list.lock().unwrap().trouble = vec![json(403, r#"{"detail":"no"}"#), json(503, "{}")];
    assert_eq!(page(&stream).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(all(&stream), down_from(13));
    let requests = server.requests();
    assert_eq!(requests.len(), 6);
    assert!(requests.iter().all(|seen| seen.header("x-a") == Some("b")));
    let none = PageOptions { max_retries: Some(0), ..PageOptions::default() };
    list.lock().unwrap().trouble = vec![json(503, "{}")];
    assert_eq!(page(&runs(&client, "[]", none)).unwrap_err().kind(), ErrorKind::Server);
}

#[test]
fn what_is_no_good_is_refused_before_anything_is_sent() {
    let (server, client, _list) = serve(List::default());
    let refused = |name: &str, args: &str, options: PageOptions| {
        let operation = loki_mode_spec::operation(name).unwrap();
        client.pages(operation, Args::from_json(operation, args).unwrap(), options).unwrap_err()
    };
    for size in [0, 1001, u64::MAX] {
        let error = refused("list_runs", "[]", paged(size));
        assert_eq!((error.kind(), error.info().param.as_deref()), (ErrorKind::Config, Some("page_size")));
        assert_eq!(error.to_string(), "`page_size` of `iter_runs` must be from 1 to 1000");
    }
    assert_eq!(refused("list_tenants", "[]", PageOptions::default()).kind(), ErrorKind::Config);
    assert_eq!(
        refused("list_session_tasks", r#"["../x"]"#, PageOptions::default()).kind(),
        ErrorKind::Config
    );
    let limited = ListRuns { limit: Some(5), ..ListRuns::default() };
    let error = client.iter_runs(&limited, PageOptions::default()).unwrap_err();
    assert!(error.to_string().contains("see `page_size` and `max_items`"), "{error}");
    assert_eq!(server.targets(), [""; 0]);
}

#[test]
fn the_typed_face_gives_item_by_item() {
    let (server, client, list) =
        serve(List { meanwhile: vec![(2, |rows| rows.insert(0, 99))], ..List::default() });
    let entries: Result<Vec<_>, _> = client.iter_audit(&QueryAudit::default(), paged(10)).unwrap().collect();
    let actions: Vec<_> = entries.unwrap().into_iter().map(|entry| entry.action).collect();
    let expected: Vec<_> = down_from(25).into_iter().map(|id| format!("a{id}")).collect();
    assert_eq!(actions, expected, "rows without ids, one of which came a second time");
    assert_eq!(server.targets()[0], "GET /api/audit?limit=10");
    list.lock().unwrap().rows = down_from(12);
    let tasks = client.iter_session_tasks("s", &ListSessionTasks::default(), paged(5)).unwrap();
    let titles: Vec<_> = tasks.map(|task| task.unwrap().title.unwrap()).collect();
    assert_eq!(titles, down_from(12).iter().map(ToString::to_string).collect::<Vec<_>>());
}
