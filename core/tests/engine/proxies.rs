//! Connections that lead through a proxy. Tunnels, which carry TLS, are in `tls.rs`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::common::{PROJECT, Reply, Server, call, json, text};
use loki_mode_core::{Client, ErrorKind, Options, Token};

const TARGET: &str = "http://control.invalid:57374";

fn options(proxy: String) -> Options {
    Options {
        base_url: TARGET.to_owned(),
        token: Some(Token::new("loki_token")),
        proxy: Some(proxy),
        max_retries: 0,
        ..Options::default()
    }
}

fn through(proxy: String) -> Client {
    Client::new(options(proxy)).unwrap()
}

/// The URL of a server as a proxy, with credentials.
fn with_credentials(server: &Server) -> String {
    server.base_url.replace("http://", "http://user:secret@")
}

fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn a_proxy_gets_the_whole_url_and_its_credentials_on_one_connection() {
    let proxy = Server::new(|_| json(200, PROJECT));
    let client = through(with_credentials(&proxy));
    call(&client, "get_project", "[1]").unwrap();
    call(&client, "create_project", r#"["p"]"#).unwrap();
    call(&client, "list_runs", r#"[null,"running"]"#).unwrap();
    let requests = proxy.requests();
    let targets = requests.iter().map(|seen| seen.target().replace(TARGET, "TARGET")).collect::<Vec<_>>();
    assert_eq!(
        targets,
        ["GET TARGET/api/projects/1", "POST TARGET/api/projects", "GET TARGET/api/runs?status=running"]
    );
    assert_eq!(requests[1].body, r#"{"name":"p"}"#);
    for request in &requests {
        assert_eq!(request.header("host"), Some("control.invalid:57374"));
        // user:secret
        assert_eq!(request.header("proxy-authorization"), Some("Basic dXNlcjpzZWNyZXQ="));
        assert_eq!(request.header("authorization"), Some("Bearer loki_token"));
        assert_eq!(request.connection, 0);
    }
}

#[test]
fn a_proxy_without_credentials_gets_none() {
    let proxy = Server::new(|_| json(200, PROJECT));
    call(&through(proxy.base_url.clone()), "get_project", "[1]").unwrap();
    assert_eq!(proxy.requests()[0].header("proxy-authorization"), None);
}

#[test]
fn a_request_through_a_proxy_is_sent_in_one_piece() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let proxy = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).unwrap();
        stream.write_all(text(200, "content-type: application/json\r\n", PROJECT).as_bytes()).unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    });
    call(&through(url), "create_project", r#"["p"]"#).unwrap();
    let request = proxy.join().unwrap();
    assert!(request.starts_with(&format!("POST {TARGET}/api/projects HTTP/1.1\r\n")), "{request}");
    assert!(request.ends_with("\r\n\r\n{\"name\":\"p\"}"), "{request}");
}

/// With its whole URL, a head may no longer fit where it fitted before.
#[test]
fn a_head_of_any_length_reaches_a_proxy_whole() {
    let proxy = Server::new(|_| json(200, PROJECT));
    for length in (15_800..16_360).step_by(20) {
        let headers = vec![("x-long".to_owned(), "x".repeat(length))];
        let client = Client::new(Options { headers, ..options(proxy.base_url.clone()) }).unwrap();
        for (operation, args, body) in
            [("get_project", "[1]", ""), ("create_project", r#"["p"]"#, r#"{"name":"p"}"#)]
        {
            call(&client, operation, args).unwrap();
            let request = proxy.requests().remove(0);
            assert!(request.line.contains(TARGET) && request.body == body, "{length} {}", request.line);
            assert_eq!(request.header("x-long").unwrap().len(), length);
        }
    }
}

#[test]
fn a_proxy_that_is_not_there_or_refuses_is_named_without_its_credentials() {
    let refusing = Server::new(|_| json(407, "{}"));
    let lost = Server::new(|_| Reply::Close);
    let port_of = |server: &Server| server.base_url.rsplit(':').next().unwrap().parse::<u16>().unwrap();
    let cases = [
        (dead_port(), "http", false, "connection refused"),
        (dead_port(), "https", false, "connection refused"),
        (port_of(&refusing), "http", false, "the proxy asks for credentials"),
        (port_of(&refusing), "https", false, "the proxy asks for credentials"),
        (port_of(&lost), "http", true, "lost the connection to"),
    ];
    for (port, scheme, maybe_executed, problem) in cases {
        let client = Client::new(Options {
            base_url: format!("{scheme}://control.invalid:57374"),
            ..options(format!("http://user:canary@127.0.0.1:{port}"))
        });
        let client = client.unwrap();
        let error = call(&client, "create_project", r#"["p"]"#).unwrap_err();
        assert_eq!(
            (error.kind(), error.info().maybe_executed),
            (ErrorKind::Connection, Some(maybe_executed))
        );
        let text = error.to_string();
        assert!(text.contains(&format!("the proxy 127.0.0.1:{port}")) && text.contains(problem), "{text}");
        // user:canary
        let shown = format!("{text} {error:?} {client:?}");
        assert!(!shown.contains("canary") && !shown.contains("dXNlcjpjYW5hcnk"), "{shown}");
    }
    let requests = refusing.requests();
    assert_eq!(requests[1].target(), "CONNECT control.invalid:57374");
}

#[test]
fn wrong_credentials_are_not_tried_again() {
    for scheme in ["http", "https"] {
        let proxy = Server::new(|_| json(407, "{}"));
        let base_url = format!("{scheme}://control.invalid");
        let client = Options { base_url, max_retries: 2, ..options(proxy.base_url.clone()) };
        let error = call(&Client::new(client).unwrap(), "get_project", "[1]").unwrap_err();
        assert_eq!((error.info().attempts, proxy.requests().len()), (1, 1), "{error}");
    }
}

#[test]
fn loopback_is_direct_whatever_the_proxy() {
    let server = Server::new(|_| json(200, PROJECT));
    let proxy = Some("http://127.0.0.1:9".to_owned());
    let client = Client::new(Options { proxy, ..server.options() }).unwrap();
    call(&client, "get_project", "[1]").unwrap();
    assert_eq!(server.targets(), ["GET /api/projects/1"]);
}
