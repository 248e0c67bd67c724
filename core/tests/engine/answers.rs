//! What is sent, and what becomes of each kind of answer.

use crate::common::{PROJECT, Reply, Server, call, json, text};
use loki_mode_core::{Client, Error, ErrorKind, Options, Token};

#[test]
fn a_request_carries_what_it_should() {
    let server = Server::script(vec![json(200, PROJECT), json(201, PROJECT), json(204, "")]);
    let token = Some(Token::new("loki_x"));
    let client =
        Client::new(Options { token, app_info: Some("bot/1".to_owned()), ..server.options() }).unwrap();
    let response = call(&client, "get_project", "[7]").unwrap();
    assert_eq!((response.status, response.attempts, response.path.as_str()), (200, 1, "/api/projects/7"));
    assert_eq!(response.payload().unwrap(), PROJECT);
    call(&client, "create_project", r#"["a", "b"]"#).unwrap();
    assert_eq!(call(&client, "delete_project", r#"["x y"]"#).unwrap().payload().unwrap(), "null");
    let [get, post, delete] = &server.requests()[..] else { panic!("three requests") };
    assert_eq!(get.target(), "GET /api/projects/7");
    assert_eq!(get.header("authorization"), Some("Bearer loki_x"));
    assert_eq!(get.header("accept"), Some("application/json"));
    assert_eq!(get.header("accept-encoding"), Some("gzip"));
    assert!(get.header("user-agent").unwrap().starts_with("loki-mode-sdk/"));
    assert!(get.header("user-agent").unwrap().ends_with("(Rust) bot/1"));
    assert_eq!((get.header("content-type"), get.body.as_str()), (None, ""));
    assert_eq!(post.header("content-type"), Some("application/json"));
    assert_eq!(post.body, r#"{"name":"a","description":"b"}"#);
    assert_eq!(delete.target(), "DELETE /api/projects/x%20y");
    // One connection served them all.
    assert_eq!([get.connection, post.connection, delete.connection], [0, 0, 0]);
}

#[test]
fn a_post_without_fields_has_an_empty_body_with_a_length() {
    let server = Server::script(vec![json(200, crate::common::RUN)]);
    call(&server.client(), "cancel_run", "[1]").unwrap();
    let seen = &server.requests()[0];
    assert_eq!((seen.header("content-length"), seen.header("content-type")), (Some("0"), None));
}

#[test]
fn a_list_comes_out_of_its_envelope() {
    let server = Server::script(vec![json(200, &format!(r#"{{"projects":[{PROJECT}],"total":1}}"#))]);
    let response = call(&server.client(), "list_projects", "[]").unwrap();
    assert_eq!(response.payload().unwrap(), format!("[{PROJECT}]"));
}

#[test]
fn refusals_are_typed_and_carry_their_details() {
    for (status, body, kind) in [
        (401, r#"{"detail":"Authentication required"}"#, ErrorKind::Authentication),
        (
            403,
            r#"{"detail":"Insufficient permissions. Required scope: control"}"#,
            ErrorKind::PermissionDenied,
        ),
        (404, r#"{"detail":"Project not found"}"#, ErrorKind::NotFound),
        (409, r#"{"error":"busy","code":"CONFLICT"}"#, ErrorKind::Conflict),
        (422, r#"{"detail":[{"loc":["path","project_id"],"msg":"bad"}]}"#, ErrorKind::Validation),
        (410, "gone", ErrorKind::NotAvailable),
        (500, "Internal Server Error", ErrorKind::Server),
    ] {
        let server = Server::script(vec![json(status, body)]);
        let error = call(&server.client(), "get_project", "[1]").unwrap_err();
        let info = error.info();
        assert_eq!((info.kind, error.kind()), (kind, kind), "{status}");
        assert_eq!(info.status_code, Some(status));
        assert_eq!(info.response_body.as_deref(), Some(body));
        assert_eq!((info.method.as_deref(), info.path.as_deref()), (Some("GET"), Some("/api/projects/1")));
        assert_eq!(info.attempts, 1, "{status}");
    }
}

#[test]
fn a_success_that_is_no_json_is_a_decode_error() {
    for (reply, message) in [
        (json(200, r#"{"id":1,"name":"#), "not what `get_project` returns"),
        (json(200, r#"{"id":1,"name":7}"#), "name"),
        (json(200, r#"{"name":"a"}"#), "id"),
    ] {
        let server = Server::script(vec![reply]);
        let outcome = call(&server.client(), "get_project", "[1]");
        let error = outcome.and_then(|response| response.payload().map(drop)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(error.info().path.as_deref(), Some("/api/projects/1"));
    }
}

#[test]
fn a_success_that_is_a_web_page_says_that_the_route_is_not_there() {
    for (operation, args, reply) in [
        ("get_project", "[1]", "content-type: text/html; charset=utf-8\r\n"),
        ("create_project", r#"["p"]"#, "content-type: text/html\r\n"),
        ("delete_project", "[1]", ""),
    ] {
        let page = "<!DOCTYPE html><title>Dashboard</title>";
        let server = Server::script(vec![Reply::Send(text(200, reply, page))]);
        let error = call(&server.client(), operation, args).unwrap_err();
        let info = error.info();
        assert_eq!((error.kind(), info.status_code), (ErrorKind::NotAvailable, Some(200)), "{error}");
        assert_eq!(info.response_body.as_deref(), Some(page));
        for said in
            ["web page where JSON was due", "does not have the route", "`base_url`", "<!DOCTYPE html>"]
        {
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}

#[test]
fn a_refusal_is_one_even_if_its_reasons_get_lost() {
    let json = "content-type: application/json\r\n";
    let gzip = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let cut = |status| format!("HTTP/1.1 {status} X\r\n{json}content-length: 99\r\n\r\n{{\"detail\":");
    for (reply, kind) in [
        (Reply::Send(text(401, gzip, "")), ErrorKind::Authentication),
        (Reply::Send(text(404, gzip, "no gzip")), ErrorKind::NotFound),
        (Reply::SendAndClose(cut(403)), ErrorKind::PermissionDenied),
        (Reply::SendAndClose(cut(503)), ErrorKind::Server),
    ] {
        let server = Server::script(vec![reply]);
        let client = Client::new(Options { max_retries: 0, ..server.options() }).unwrap();
        let error = call(&client, "create_project", r#"["p"]"#).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
    // One of a read that may help to repeat is repeated.
    let server = Server::script(vec![Reply::SendAndClose(cut(503)), crate::common::json(200, PROJECT)]);
    assert_eq!(call(&server.client(), "get_project", "[1]").unwrap().attempts, 2);
}

#[test]
fn a_success_that_is_no_gzip_is_a_decode_error_and_nothing_may_be_said_in_gzip() {
    let gzip = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let server =
        Server::script(vec![Reply::Send(text(200, gzip, PROJECT)), Reply::Send(text(204, gzip, ""))]);
    let error = call(&server.client(), "get_project", "[1]").unwrap_err();
    assert_eq!((error.kind(), error.info().attempts), (ErrorKind::Decode, 1));
    assert!(error.to_string().contains("not the gzip that it says it is"), "{error}");
    assert_eq!(call(&server.client(), "delete_project", "[1]").unwrap().payload().unwrap(), "null");
}

#[test]
fn preliminary_answers_are_passed_over() {
    let early = "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n";
    let with = |status, body| Reply::Send(format!("{early}{}", text(status, "", body)));
    let server = Server::script(vec![with(200, PROJECT), with(500, "{}"), json(200, PROJECT)]);
    let client = server.client();
    call(&client, "get_project", "[1]").unwrap();
    assert_eq!(call(&client, "get_project", "[1]").unwrap_err().kind(), ErrorKind::Server);
    call(&client, "get_project", "[1]").unwrap();
    // The status behind them is not seen where connections are looked at: none is used again.
    assert_eq!(server.requests().iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 1, 2]);
}

#[test]
fn an_answer_beyond_the_limit_is_a_typed_error() {
    let chunked = "HTTP/1.1 200 X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("{chunked}7d0\r\n{}\r\n0\r\n\r\n", "x".repeat(2000));
    for reply in [json(200, &"x".repeat(2000)), Reply::Send(chunk)] {
        let server = Server::script(vec![reply]);
        let client = Client::new(Options { max_body_bytes: 1999, ..server.options() }).unwrap();
        let error = call(&client, "get_project", "[1]").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert!(error.to_string().contains("max_body_bytes"), "{error}");
    }
    let server = Server::script(vec![json(200, &"x".repeat(2000))]);
    let client = Client::new(Options { max_body_bytes: 2000, ..server.options() }).unwrap();
    call(&client, "get_project", "[1]").unwrap();
}

#[test]
fn redirects_stay_at_home() {
    let to =
        |status: u16, location: &str| Reply::Send(text(status, &format!("location: {location}\r\n"), ""));
    let server = Server::script(vec![to(307, "/api/projects/"), json(201, PROJECT)]);
    call(&server.client(), "create_project", r#"["a"]"#).unwrap();
    let seen = server.requests();
    assert_eq!(seen[1].target(), "POST /api/projects/");
    assert_eq!(seen[1].body, seen[0].body);

    let trap = Server::new(|_| json(200, PROJECT));
    let elsewhere = format!("{}/steal?x=secret", trap.base_url);
    for (status, location, message) in [
        (307, elsewhere.as_str(), "another origin"),
        (302, "/login?next=secret", "would not keep the method"),
    ] {
        let server = Server::script(vec![to(status, location)]);
        let token = Some(Token::new("loki_x"));
        let client = Client::new(Options { token, ..server.options() }).unwrap();
        let error = call(&client, "get_project", "[1]").unwrap_err();
        assert_eq!((error.kind(), error.info().status_code), (ErrorKind::Api, Some(status)));
        assert!(error.to_string().contains(message) && !error.to_string().contains("secret"), "{error}");
    }
    assert!(trap.requests().is_empty());
    let loops = Server::new(|_| Reply::Send(text(308, "location: /again\r\n", "")));
    let error = call(&loops.client(), "get_project", "[1]").unwrap_err();
    assert!(error.to_string().contains("does not end"), "{error}");
}

#[test]
fn the_token_can_be_exchanged_and_a_provider_is_asked_again_after_a_401() {
    let server = Server::new(|seen| match seen.header("authorization") {
        Some("Bearer new") => json(200, PROJECT),
        _ => json(401, r#"{"detail":"Invalid, expired, or revoked token"}"#),
    });
    let client = server.client();
    client.set_token(Some(Token::new("old"))).unwrap();
    assert!(matches!(call(&client, "get_project", "[1]"), Err(Error::Authentication(_))));
    assert!(matches!(client.set_token(Some(Token::new("a\nb"))), Err(Error::Config(_))));
    let asked = std::sync::atomic::AtomicUsize::new(0);
    client
        .set_token(Some(Token::provider(move || {
            let first = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
            Ok(if first { "old".to_owned() } else { "new".to_owned() })
        })))
        .unwrap();
    assert_eq!(call(&client, "get_project", "[1]").unwrap().attempts, 2);
    client.set_token(None).unwrap();
    assert!(matches!(call(&client, "get_project", "[1]"), Err(Error::Authentication(_))));
}

#[test]
fn nothing_is_sent_for_arguments_that_lead_elsewhere_or_after_close() {
    let server = Server::new(|_| json(200, PROJECT));
    let client = server.client();
    for args in [r#"[""]"#, r#"[".."]"#, r#"["a/b"]"#] {
        assert!(matches!(call(&client, "get_project", args), Err(Error::Config(_))), "{args}");
    }
    call(&client, "get_project", "[1]").unwrap();
    client.close();
    assert!(matches!(call(&client, "get_project", "[1]"), Err(Error::Config(_))));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn bad_options_are_refused_at_construction() {
    let zero = std::time::Duration::ZERO;
    for options in [
        Options { base_url: "localhost".to_owned(), ..Options::default() },
        Options { timeout: zero, ..Options::default() },
        Options { token: Some(Token::new("a\nb")), ..Options::default() },
        Options { token: Some(Token::new("tök")), ..Options::default() },
        Options { ca_file: Some("/does/not/exist.pem".to_owned()), ..Options::default() },
        Options { client_cert_file: Some("x.pem".to_owned()), ..Options::default() },
    ] {
        assert!(matches!(Client::new(options), Err(Error::Config(_))));
    }
}
