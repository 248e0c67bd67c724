//! Going through long lists of servers that take what they are asked in a way of their own.

use loki_mode_core::{Client, ErrorKind, Options, PageOptions, PathStyle};

use crate::common::{Server, json, next_ids as page};
use crate::list_server::{Change, List, all, down_from, paged, row, runs, serve};

#[test]
fn servers_that_take_no_notice_are_noticed() {
    // Everything at once, whatever is asked: as v5.51 lists projects.
    for (length, size, requests) in
        [(25, 10, 2), (25, 25, 2), (25, 100, 2), (19, 100, 3), (1, 100, 2), (0, 10, 1)]
    {
        let rows = down_from(length);
        let list = List { rows: rows.clone(), ignores_limit: true, ignores_offset: true, ..List::default() };
        let (server, client, _list) = serve(list);
        assert_eq!(all(&runs(&client, "[]", paged(size))), rows, "{length} by {size}");
        assert_eq!(server.requests().len(), requests, "{length} by {size}");
    }
    // As long as the longest page: that it is all shows when less is asked for.
    let rows = down_from(1000);
    let list = List { rows: rows.clone(), ignores_limit: true, ignores_offset: true, ..List::default() };
    let (server, client, _list) = serve(list);
    assert_eq!(all(&runs(&client, "[]", PageOptions::default())), rows);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn pages_of_another_length_than_was_asked_for_give_everything() {
    for cap in [2, 3, 7, 10, 24, 25, 26] {
        for size in [1, 2, 6, 10, 1000] {
            for ignores_limit in [false, true] {
                let (server, client, _list) = serve(List { cap, ignores_limit, ..List::default() });
                let given = all(&runs(&client, "[]", paged(size)));
                assert_eq!(given, down_from(25), "{cap} for {size}, {ignores_limit}");
                assert!(server.requests().len() <= 26, "{cap} for {size}, {ignores_limit}");
            }
        }
    }
}

#[test]
fn a_server_with_short_pages_of_its_own_may_have_rows_added_by_the_hundred() {
    let add: Change = |rows| drop(rows.splice(0..0, (1001..=1300).rev()));
    let list = List { cap: 3, meanwhile: vec![(4, add)], rows: down_from(100), ..List::default() };
    let (_server, client, _list) = serve(list);
    let given = all(&runs(&client, "[]", PageOptions::default()));
    assert_eq!(given.iter().copied().filter(|id| *id <= 100).collect::<Vec<_>>(), down_from(100));
}

#[test]
fn a_page_that_is_empty_by_mistake_is_not_the_end() {
    let (_server, client, list) = serve(List::default());
    let stream = runs(&client, "[]", paged(10));
    let mut given = page(&stream).unwrap().unwrap();
    list.lock().unwrap().trouble = vec![json(200, "[]"), json(200, "[]")];
    given.extend(all(&stream));
    assert_eq!(given, down_from(25));
}

#[test]
fn a_list_of_which_only_the_beginning_is_to_be_had_is_an_error_at_its_end() {
    let (_server, client, _list) = serve(List { ignores_offset: true, ..List::default() });
    let stream = runs(&client, "[]", paged(10));
    assert_eq!(page(&stream).unwrap().unwrap().len(), 10);
    assert_eq!(page(&stream).unwrap().unwrap().len(), 1);
    let error = page(&stream).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAvailable);
    assert!(error.to_string().contains("no notice of `offset`, so that only the first 11"), "{error}");
    assert_eq!(page(&stream).unwrap(), None);
}

#[test]
fn a_list_without_an_order_does_not_go_on_for_ever() {
    let mut turn = 0;
    let server = Server::new(move |_| {
        turn += 7;
        let rows: Vec<_> = (0..10).map(|at| row("GET /api/runs", (at * 31 + turn) % 40)).collect();
        json(200, &format!("[{}]", rows.join(",")))
    });
    let client = Client::new(Options { path_style: PathStyle::Guide, ..server.options() }).unwrap();
    let stream = runs(&client, "[]", paged(10));
    let error = std::iter::from_fn(|| page(&stream).transpose()).find_map(Result::err).unwrap();
    assert!(error.to_string().contains("another order every time"), "{error}");
}
