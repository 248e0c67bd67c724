//! The proxies, and scripts of connections, seen from bare sockets.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use loki_mode_test_support::{FaultProxy, FaultServer, HttpProxy, ProxyFault, Reply, control};
use serde_json::{Value, json};

fn connect(url: &str) -> TcpStream {
    let stream = TcpStream::connect(url.trim_start_matches("http://")).expect("it listens");
    // Only so that a broken server fails the test instead of hanging it.
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout can be set");
    stream
}

fn server(replies: Value) -> FaultServer {
    let replies: Vec<Reply> = serde_json::from_value(replies).expect("replies of the README");
    FaultServer::start(replies).expect("a loopback port is free")
}

/// Sends this and reads until the connection ends; how it ended stands beside what was read.
fn send(stream: &mut TcpStream, text: &str) -> (String, io::Result<usize>) {
    let mut bytes = Vec::new();
    let end = stream.write_all(text.as_bytes()).and_then(|()| stream.read_to_end(&mut bytes));
    (String::from_utf8_lossy(&bytes).into_owned(), end)
}

/// Reads as much as this text and compares.
#[track_caller]
fn expect(stream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).expect("that many bytes arrive");
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

const GET: &str = "GET /a?b=c HTTP/1.1\r\nhost: h\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbody";

#[test]
fn each_connection_can_have_its_own_script() {
    let reply = |text: &str| Reply { text: Some(text.to_owned()), ..Reply::default() };
    let server =
        FaultServer::start_per_connection([vec![reply("one1"), reply("one2")], vec![reply("two1")]]).unwrap();
    let (mut first, mut second) = (connect(server.base_url()), None);
    for (on_first, text) in [(true, "one1"), (false, "two1"), (true, "one2")] {
        let stream =
            if on_first { &mut first } else { second.get_or_insert_with(|| connect(server.base_url())) };
        stream.write_all(GET.as_bytes()).unwrap();
        expect(stream, &OK.replace("body", text));
    }
    assert_eq!(server.remaining(), 0);
    first.write_all(GET.as_bytes()).unwrap();
    expect(&mut first, "HTTP/1.1 500 ");
}

fn http_proxy(setup: Value) -> HttpProxy {
    let setup = serde_json::from_value(setup).expect("a setup of the README");
    HttpProxy::start(setup).expect("a loopback port is free")
}

#[test]
fn the_http_proxy_forwards_plain_requests() {
    let behind = server(json!([{"text": "body"}]));
    let to = behind.base_url().trim_start_matches("http://");
    let proxy = http_proxy(json!({"hosts": {"control.test:80": to}}));
    let request = "POST http://control.test/a?b=c HTTP/1.1\r\nhost: control.test\r\nproxy-connection: x\r\n\
                   content-length: 2\r\n\r\n{}";
    let (answer, end) = send(&mut connect(&proxy.url()), request);
    end.unwrap();
    assert_eq!(answer, OK.replace("\r\ncontent", "\r\nconnection: close\r\ncontent"));
    let seen = &behind.requests()[0];
    assert_eq!((seen.raw_target.as_str(), seen.body.as_deref()), ("/a?b=c", Some("{}")));
    assert_eq!(seen.headers["host"], "control.test");
    assert!(!seen.headers.contains_key("proxy-connection"));
    assert_eq!(proxy.requests()[0].target, "http://control.test/a?b=c");
    assert_eq!(proxy.requests()[0].refused, None);
}

#[test]
fn the_http_proxy_opens_tunnels_for_those_who_show_credentials() {
    let behind = server(json!([{"text": "body", "repeat": 2}]));
    let to = behind.base_url().trim_start_matches("http://");
    let proxy = http_proxy(json!({"hosts": {"control.test:443": to}, "credentials": "user:secret"}));
    let mut stream = connect(&proxy.url());
    stream.write_all(b"CONNECT control.test:443 HTTP/1.1\r\nhost: control.test:443\r\n\r\n").unwrap();
    expect(
        &mut stream,
        "HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic realm=\"test\"\r\n\
         content-length: 0\r\n\r\n",
    );
    let authorized = "proxy-authorization: Basic dXNlcjpzZWNyZXQ=\r\n\r\n";
    stream.write_all(format!("CONNECT other.test:443 HTTP/1.1\r\n{authorized}").as_bytes()).unwrap();
    expect(&mut stream, "HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n");
    // The first request may come along with the CONNECT.
    stream.write_all(format!("CONNECT control.test:443 HTTP/1.1\r\n{authorized}{GET}").as_bytes()).unwrap();
    expect(&mut stream, &format!("HTTP/1.1 200 Connection established\r\n\r\n{OK}"));
    stream.write_all(GET.as_bytes()).unwrap();
    expect(&mut stream, OK);
    let refused: Vec<_> = proxy.requests().iter().map(|request| request.refused).collect();
    assert_eq!(refused, [Some(407), Some(502), None]);
    assert_eq!(behind.requests().len(), 2);
}

#[test]
fn the_http_proxy_leads_nowhere_but_here() {
    let setup = serde_json::from_value(json!({"hosts": {"x:80": "192.0.2.1:80"}})).unwrap();
    assert!(HttpProxy::start(setup).is_err());
}

fn line(to: &FaultServer, rate: f64, faults: Value, seed: u64) -> FaultProxy {
    let setup = json!({"to": to.base_url(), "seed": seed, "rate": rate, "faults": faults});
    let setup = serde_json::from_value(setup).expect("a setup of the README");
    FaultProxy::start(setup).expect("a loopback port is free")
}

#[test]
fn a_bad_line_breaks_what_it_says() {
    for (fault, arrives, whole, is_reset) in [
        ("cut_before", 0, Some(false), false),
        ("reset_before", 0, Some(false), true),
        ("cut_after", 1, Some(false), false),
        ("reset_after", 1, Some(false), true),
        ("cut_during", 1, None, false),
        ("reset_during", 1, None, true),
        ("close_idle", 1, Some(true), false),
    ] {
        let behind = server(json!([{"text": "body"}]));
        let proxy = line(&behind, 1.0, json!([fault]), 1);
        let (answer, end) = send(&mut connect(&proxy.base_url()), GET);
        assert_eq!(end.is_err(), is_reset, "{fault}: {end:?}");
        match whole {
            Some(true) => assert_eq!(answer, OK, "{fault}"),
            Some(false) => assert_eq!(answer, "", "{fault}"),
            None => assert!(OK.starts_with(&answer) && answer != OK, "{fault}: {answer}"),
        }
        assert_eq!(behind.requests().len(), arrives, "{fault}");
        assert_eq!(proxy.counts().0, 1, "{fault}");
        assert_eq!(proxy.counts().1.len(), 1, "{fault}");
    }
}

#[test]
fn a_bad_line_delays_holds_and_grows_stale() {
    let behind = server(json!([{"text": "body", "repeat": 9}]));
    let delaying = line(&behind, 1.0, json!(["delay"]), 1);
    let mut stream = connect(&delaying.base_url());
    for _ in 0..2 {
        stream.write_all(GET.as_bytes()).unwrap();
        expect(&mut stream, OK);
    }
    let stale = line(&behind, 1.0, json!(["stale"]), 1);
    let mut stream = connect(&stale.base_url());
    stream.write_all(GET.as_bytes()).unwrap();
    expect(&mut stream, OK);
    let (answer, _) = send(&mut stream, GET);
    assert_eq!(answer, "");
    let holding = line(&behind, 1.0, json!(["hold"]), 1);
    let mut stream = connect(&holding.base_url());
    stream.write_all(GET.as_bytes()).unwrap();
    while behind.requests().len() < 4 {
        std::thread::sleep(Duration::from_millis(1));
    }
    stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    assert!(stream.read(&mut [0]).is_err());
}

#[test]
fn chance_is_reproducible() {
    let faults = |seed| {
        let behind = server(json!([{"text": "body", "repeat": 200}]));
        let proxy = line(&behind, 0.3, json!(["cut_after", "close_idle", "reset_before"]), seed);
        for _ in 0..200 {
            let request = GET.replace("\r\n\r\n", "\r\nconnection: close\r\n\r\n");
            let mut stream = connect(&proxy.base_url());
            stream.write_all(request.as_bytes()).unwrap();
            // Kept by the proxy when nothing is broken: one answer is enough.
            let _ = stream.read(&mut [0; 64]);
        }
        proxy.counts()
    };
    let (exchanges, first): (usize, BTreeMap<ProxyFault, usize>) = faults(7);
    assert_eq!(exchanges, 200);
    let broken: usize = first.values().sum();
    assert!((30..=90).contains(&broken), "{broken} of 200 at a rate of 0.3");
    assert_eq!(first.len(), 3);
    assert_eq!(faults(7).1, first);
    assert_ne!(faults(8).1, first);
}

#[test]
fn all_of_it_is_there_over_json_lines() {
    let commands = [
        json!({"serve": [{"json": {}}], "tls": "client_certificate"}),
        json!({"serve_connections": [[{"json": {}}]], "name": "c"}),
        json!({"http_proxy": {"hosts": {"control.test:80": "127.0.0.1:1"}, "credentials": "a:b"}, "name": "p"}),
        json!({"proxy": {"to": "http://127.0.0.1:1", "seed": 1, "rate": 0.5}, "name": "l"}),
        json!({"recorded": true, "name": "p"}),
        json!({"recorded": true, "name": "l"}),
        json!({"proxy": {"to": "http://192.0.2.1:1", "seed": 1, "rate": 0.5}}),
        json!({"serve": [], "tls": "nonsense"}),
    ];
    let input = commands.map(|command| command.to_string()).join("\n");
    let mut output = Vec::new();
    control::run(input.as_bytes(), &mut output).unwrap();
    let text = String::from_utf8(output).unwrap();
    let answers: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(answers[0]["base_url"].as_str().unwrap().starts_with("https://127.0.0.1:"));
    for file in ["ca_file", "client_cert_file", "client_key_file"] {
        assert!(
            answers[0][file].as_str().is_some_and(|path| path.ends_with(".pem") || path.ends_with(".key"))
        );
    }
    assert!(answers[1]["base_url"].is_string());
    assert!(answers[2]["proxy_url"].is_string());
    assert!(answers[3]["base_url"].is_string());
    assert_eq!(answers[4], json!({"requests": []}));
    assert_eq!(answers[5], json!({"exchanges": 0, "faults": {}}));
    assert!(answers[6]["error"].as_str().unwrap().contains("127.0.0.1"));
    assert!(answers[7]["error"].as_str().unwrap().contains("nonsense"));
}
