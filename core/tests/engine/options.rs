//! What the options of a client and of a call do.

use std::io::{BufRead, BufReader, Write};
use std::thread;
use std::time::Duration;

use crate::common::{PROJECT, Reply, Server, call, call_with, json, text};
use loki_mode_core::{CallOptions, Changes, Client, Error, ErrorKind, Options, Token, Warning};

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn headers_of_the_client_and_of_the_call_are_sent() {
    let server = Server::new(|_| json(200, PROJECT));
    let headers = vec![pair("X-Team", "a"), pair("X-Trace", "client")];
    let client = Client::new(Options { headers, ..server.options() }).unwrap();
    let of_call = [pair("x-trace", "call")];
    let options = CallOptions { headers: &of_call, ..CallOptions::default() };
    call_with(&client, "get_project", "[1]", &options).unwrap();
    call(&client, "get_project", "[1]").unwrap();
    let [first, second] = &server.requests()[..] else { panic!("two requests") };
    assert_eq!((first.header("x-team"), first.header("x-trace")), (Some("a"), Some("call")));
    assert_eq!(first.headers.iter().filter(|(name, _)| name == "x-trace").count(), 1);
    assert_eq!(second.header("x-trace"), Some("client"));
}

#[test]
fn headers_that_are_the_clients_own_are_refused_before_anything_is_sent() {
    let server = Server::new(|_| json(200, PROJECT));
    let client = server.client();
    for name in ["Authorization", "host", "Content-Length"] {
        let headers = [pair(name, "x")];
        let options = CallOptions { headers: &headers, ..CallOptions::default() };
        let error = call_with(&client, "get_project", "[1]", &options).unwrap_err();
        assert!(matches!(error, Error::Config(_)) && error.to_string().contains(name), "{error}");
        let error = Client::new(Options { headers: headers.to_vec(), ..server.options() }).unwrap_err();
        assert_eq!(error.info().param.as_deref(), Some("headers"));
    }
    assert!(server.requests().is_empty());
}

/// As long as servers are known to take; what the buffer of an ordinary connection holds is less.
#[test]
fn a_long_token_header_or_address_is_sent_whole() {
    let server = Server::new(|_| json(200, PROJECT));
    let token = "t".repeat(64 << 10);
    let value = "v".repeat(60 << 10);
    let client = server.client();
    call(&client, "get_project", "[1]").unwrap();
    client.set_token(Some(Token::new(token.clone()))).unwrap();
    let headers = [pair("X-Long", &value)];
    let long = CallOptions { headers: &headers, ..CallOptions::default() };
    call_with(&client, "get_project", "[1]", &long).unwrap();
    call_with(&client, "create_project", r#"["p"]"#, &long).unwrap();
    let status = "s".repeat(60_000);
    call(&client, "list_runs", &format!(r#"[1, "{status}"]"#)).unwrap();
    let seen = server.requests();
    for request in &seen[1..3] {
        assert_eq!(request.header("authorization").unwrap(), format!("Bearer {token}"));
        assert_eq!(request.header("x-long").unwrap(), value);
    }
    assert_eq!(seen[2].body, r#"{"name":"p"}"#);
    assert_eq!(seen[3].target(), format!("GET /api/runs?project_id=1&status={status}"));
    // One with room for it, and that one again.
    assert_eq!(seen.iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 1, 1, 1]);
}

#[test]
fn what_no_server_reads_is_refused_by_its_name_before_anything_is_sent() {
    let server = Server::new(|_| json(200, PROJECT));
    let client = server.client();
    let long = "canary".repeat(11_000);
    let headers = [pair("X-Long", &long)];
    let of_call = CallOptions { headers: &headers, ..CallOptions::default() };
    let provided = client
        .with_options(Changes {
            token: Some(Some(Token::provider(|| Ok("canary".repeat(11_000))))),
            ..Changes::default()
        })
        .unwrap();
    let id = format!(r#"["{long}"]"#);
    for (param, error) in [
        ("token", client.set_token(Some(Token::new(long.clone()))).unwrap_err()),
        ("token", call(&provided, "get_project", "[1]").unwrap_err()),
        ("headers", call_with(&client, "get_project", "[1]", &of_call).unwrap_err()),
        ("headers", Client::new(Options { headers: headers.to_vec(), ..server.options() }).unwrap_err()),
        ("project_id", call(&client, "get_project", &id).unwrap_err()),
        ("app_info", Client::new(Options { app_info: Some(long.clone()), ..server.options() }).unwrap_err()),
    ] {
        assert_eq!((error.kind(), error.info().param.as_deref()), (ErrorKind::Config, Some(param)));
        let text = error.to_string();
        assert!(text.contains(&format!("`{param}`")) && !text.contains("canary"), "{text}");
    }
    assert!(server.requests().is_empty());
}

#[test]
fn a_derived_client_shares_connections_and_the_token_but_not_its_end() {
    let server = Server::new(|_| json(200, PROJECT));
    let client = Client::new(Options { token: Some(Token::new("first")), ..server.options() }).unwrap();
    let patient = client
        .with_options(Changes {
            timeout: Some(Duration::from_secs(60)),
            max_retries: Some(7),
            ..Changes::default()
        })
        .unwrap();
    assert_eq!((patient.options().timeout.as_secs(), patient.options().max_retries), (60, 7));
    let headers = Some(vec![pair("x-team", "b")]);
    let other = client
        .with_options(Changes { token: Some(Some(Token::new("other"))), headers, ..Changes::default() })
        .unwrap();
    let nobody = client.with_options(Changes { token: Some(None), ..Changes::default() }).unwrap();
    client.set_token(Some(Token::new("second"))).unwrap();
    for client in [&client, &patient, &other, &nobody] {
        call(client, "get_project", "[1]").unwrap();
    }
    client.close();
    assert!(matches!(call(&client, "get_project", "[1]"), Err(Error::Config(_))));
    assert!(matches!(client.with_options(Changes::default()), Err(Error::Config(_))));
    call(&patient, "get_project", "[1]").unwrap();
    let seen = server.requests();
    let tokens: Vec<_> = seen.iter().map(|seen| seen.header("authorization")).collect();
    let (second, other) = (Some("Bearer second"), Some("Bearer other"));
    assert_eq!(tokens, [second, second, other, None, second]);
    assert_eq!(seen[2].header("x-team"), Some("b"));
    // Closing one closed the idle connections; the others open their own.
    assert_eq!(seen.iter().map(|seen| seen.connection).collect::<Vec<_>>(), [0, 0, 0, 0, 1]);
    let error = patient.with_options(Changes { timeout: Some(Duration::ZERO), ..Changes::default() });
    assert_eq!(error.unwrap_err().info().param.as_deref(), Some("timeout"));
}

#[test]
fn each_attempt_leaves_a_record_where_it_is_asked_for() {
    let server = Server::script(vec![
        json(200, PROJECT),
        Reply::Close,
        Reply::Send(text(503, "retry-after: 0\r\n", "{}")),
        json(200, PROJECT),
        json(404, r#"{"detail":"Project not found"}"#),
        Reply::Close,
    ]);
    let client = server.client();
    assert!(call(&client, "get_project", "[1]").unwrap().attempt_log.is_empty());
    let recorded = CallOptions { record_attempts: true, ..CallOptions::default() };
    let response = call_with(&client, "get_project", "[1]", &recorded).unwrap();
    let log = &response.attempt_log;
    assert_eq!(log.iter().map(|record| record.status).collect::<Vec<_>>(), [None, Some(503), Some(200)]);
    assert_eq!(log.iter().map(|record| record.number).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(log.iter().map(|record| record.reused_connection).collect::<Vec<_>>(), [true, false, false]);
    assert_eq!((log[0].method, log[0].path.as_str()), ("GET", "/api/projects/1"));
    assert_eq!(log[0].kind, Some(ErrorKind::Connection));
    assert!(log[0].problem.as_deref().unwrap().contains("closed the connection"), "{log:?}");
    assert!(log.iter().all(|record| record.duration > Duration::ZERO));
    let error = call_with(&client, "get_project", "[1]", &recorded).unwrap_err();
    assert_eq!(error.info().attempt_log.len(), 1);
    assert_eq!(error.info().attempt_log[0].status, Some(404));
    let error = call_with(&client, "create_project", r#"["p"]"#, &recorded).unwrap_err();
    assert_eq!(error.info().attempt_log[0].kind, Some(ErrorKind::Connection));
    assert_eq!(error.info().attempt_log[0].status, None);
}

#[test]
fn a_token_in_clear_text_is_worth_a_warning() {
    let with = |base_url: &str, token: Option<&str>| {
        let token = token.map(Token::new);
        Client::new(Options { base_url: base_url.to_owned(), token, ..Options::default() }).unwrap()
    };
    let far = with("http://control.example.com", Some("t"));
    assert_eq!(far.warnings(), [Warning::TokenInClearText { host: "control.example.com".to_owned() }]);
    assert!(far.warnings()[0].to_string().contains("https://"));
    for client in [
        with("http://control.example.com", None),
        with("https://control.example.com", Some("t")),
        with("http://localhost:57374", Some("t")),
        with("http://[::1]:57374", Some("t")),
    ] {
        assert!(client.warnings().is_empty(), "{client:?}");
    }
}

#[test]
fn blanks_around_the_base_url_are_not_swallowed() {
    for base_url in [" http://h", "http://h ", "http://h\n", "http://h\r\n", "\thttp://h", "http://h/a b"] {
        let error = Client::new(Options { base_url: base_url.to_owned(), ..Options::default() }).unwrap_err();
        assert_eq!(error.info().param.as_deref(), Some("base_url"), "{base_url:?}");
        assert!(error.to_string().contains("a blank or a line break"), "{error}");
    }
}

#[test]
fn a_provider_and_a_fixed_token_follow_each_other_and_a_failure_is_passed_on() {
    #[derive(Debug, thiserror::Error)]
    #[error("the vault is sealed: canary")]
    struct Sealed;

    let server = Server::new(|_| json(200, PROJECT));
    let client = Client::new(Options {
        token: Some(Token::provider(|| Ok("provided".to_owned()))),
        ..server.options()
    })
    .unwrap();
    call(&client, "get_project", "[1]").unwrap();
    client.set_token(Some(Token::new("fixed"))).unwrap();
    call(&client, "get_project", "[1]").unwrap();
    client.set_token(Some(Token::provider(|| Ok("again".to_owned())))).unwrap();
    call(&client, "get_project", "[1]").unwrap();
    client.set_token(Some(Token::provider(|| Err(Box::new(Sealed))))).unwrap();
    let error = call(&client, "get_project", "[1]").unwrap_err();
    assert_eq!((error.kind(), error.info().param.as_deref()), (ErrorKind::Config, Some("token")));
    assert!(error.info().cause.unwrap().downcast_ref::<Sealed>().is_some());
    assert!(!format!("{error:?} {error}").contains("canary"), "{error:?}");
    client.set_token(Some(Token::provider(|| Ok("a\nb".to_owned())))).unwrap();
    assert_eq!(call(&client, "get_project", "[1]").unwrap_err().kind(), ErrorKind::Config);
    let seen = server.requests();
    let tokens: Vec<_> = seen.iter().filter_map(|seen| seen.header("authorization")).collect();
    assert_eq!(tokens, ["Bearer provided", "Bearer fixed", "Bearer again"]);
}

#[cfg(unix)]
#[test]
fn a_unix_domain_socket_is_an_address_too() {
    let folder = std::env::temp_dir().join(format!("loki-mode-core-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("server.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut lines = Vec::new();
        for _ in 0..2 {
            for line in BufReader::new(stream.try_clone().unwrap()).lines() {
                lines.push(line.unwrap());
                if lines.last().is_some_and(String::is_empty) {
                    break;
                }
            }
            stream.write_all(text(200, "content-type: application/json\r\n", PROJECT).as_bytes()).unwrap();
        }
        lines
    });
    let base_url = format!("unix:{}", path.display());
    let token = Some(Token::new("loki_x"));
    let client = Client::new(Options { base_url, token, max_retries: 0, ..Options::default() }).unwrap();
    assert!(client.warnings().is_empty());
    call(&client, "get_project", "[1]").unwrap();
    // The same connection again: the server takes only one.
    call(&client, "get_project", "[2]").unwrap();
    let lines = server.join().unwrap();
    assert_eq!(lines[0], "GET /api/projects/1 HTTP/1.1");
    assert!(lines.contains(&"host: localhost".to_owned()), "{lines:?}");
    client.close();
    std::fs::remove_dir_all(&folder).unwrap();
    let gone = client.with_options(Changes::default());
    assert!(gone.is_err());
    let base_url = format!("unix://{}", path.display());
    let client = Client::new(Options { base_url, max_retries: 0, ..Options::default() }).unwrap();
    let error = call(&client, "get_project", "[1]").unwrap_err();
    assert_eq!((error.kind(), error.info().maybe_executed), (ErrorKind::Connection, Some(false)));
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    let relative = Options { base_url: "unix:server.sock".to_owned(), ..Options::default() };
    assert!(matches!(Client::new(relative), Err(Error::Config(_))));
}
