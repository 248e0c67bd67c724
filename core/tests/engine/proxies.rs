//! Connections that lead through a proxy.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use crate::common::{PROJECT, Server, call, json, text};
use loki_mode_core::{Client, ErrorKind, Options, Token};

/// Reads the head of a request.
fn head(stream: &TcpStream) -> Vec<String> {
    let lines = BufReader::new(stream.try_clone().unwrap()).lines();
    lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect()
}

/// A proxy for one connection, which answers CONNECT with this status and is then itself the server behind it.
fn proxy(status: u16) -> (u16, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        sender.send(head(&stream)).unwrap();
        write!(stream, "HTTP/1.1 {status} X\r\n\r\n").unwrap();
        if status == 200 {
            sender.send(head(&stream)).unwrap();
            let answer = text(200, "content-type: application/json\r\n", PROJECT);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    (port, heads)
}

fn through(proxy: String) -> Client {
    let options = Options {
        base_url: "http://control.invalid:57374".to_owned(),
        token: Some(Token::new("loki_token")),
        proxy: Some(proxy),
        max_retries: 0,
        ..Options::default()
    };
    Client::new(options).unwrap()
}

#[test]
fn a_proxy_gets_its_credentials_and_not_the_token() {
    let (port, heads) = proxy(200);
    call(&through(format!("http://user:secret@127.0.0.1:{port}")), "get_project", "[1]").unwrap();
    let (connect, request) = (heads.recv().unwrap(), heads.recv().unwrap());
    assert_eq!(connect[0], "CONNECT control.invalid:57374 HTTP/1.1");
    // user:secret
    assert!(connect.iter().any(|line| line == "Proxy-Authorization: Basic dXNlcjpzZWNyZXQ="), "{connect:?}");
    assert!(!connect.iter().any(|line| line.contains("loki_token")), "{connect:?}");
    assert_eq!(request[0], "GET /api/projects/1 HTTP/1.1");
    assert!(request.contains(&"authorization: Bearer loki_token".to_owned()), "{request:?}");
}

#[test]
fn a_proxy_that_is_not_there_or_refuses_is_named_without_its_credentials() {
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (refusing, _heads) = proxy(407);
    for port in [dead, refusing] {
        let client = through(format!("http://user:canary@127.0.0.1:{port}"));
        let error = call(&client, "create_project", r#"["p"]"#).unwrap_err();
        assert_eq!((error.kind(), error.info().maybe_executed), (ErrorKind::Connection, Some(false)));
        let text = error.to_string();
        assert!(text.contains(&format!("the proxy 127.0.0.1:{port}")), "{text}");
        assert!(!format!("{text} {error:?} {client:?}").contains("canary"), "{text}");
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
