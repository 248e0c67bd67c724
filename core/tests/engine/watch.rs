//! The dashboard's WebSocket, against a server that does what each test says.

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use loki_mode_core::events::WatchOptions;
use loki_mode_core::stream::{Step, Stream, StreamCall};
use loki_mode_core::{Client, ErrorKind, Options};
use serde::Deserialize;
use tungstenite::handshake::server::{ErrorResponse, Request};
use tungstenite::{Message, WebSocket, accept_hdr};

const TOKEN: &str = "loki_canary+/=";

#[derive(Deserialize)]
struct Said {
    #[serde(rename = "type")]
    kind: String,
}

/// Serves one connection after the other; tells what was asked for and heard.
fn serve(
    mut connection: impl FnMut(usize, WebSocket<TcpStream>, &dyn Fn(String)) + Send + 'static,
) -> (Options, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}/prefix", listener.local_addr().unwrap());
    let (sender, heard) = channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            #[expect(clippy::result_large_err, reason = "the type that tungstenite asks for")]
            let uri = |request: &Request, response| {
                let _ = sender.send(request.uri().to_string());
                Ok::<_, ErrorResponse>(response)
            };
            if let Ok(socket) = accept_hdr(stream.unwrap(), uri) {
                connection(number, socket, &|text| drop(sender.send(text)));
            }
        }
    });
    (Options { base_url, token: Some(TOKEN.into()), ..Options::default() }, heard)
}

fn say(socket: &mut WebSocket<TcpStream>, text: &str) {
    socket.send(Message::text(text)).unwrap();
}

/// The types of the next messages.
fn take(stream: &Stream, count: usize) -> Vec<String> {
    let mut kinds = Vec::new();
    while kinds.len() < count {
        match stream.next(&StreamCall::default()).step.unwrap() {
            Step::Items(batch) => {
                let messages: Vec<Said> = serde_json::from_str(batch.json()).unwrap();
                kinds.extend(messages.into_iter().map(|said| said.kind));
            }
            Step::Idle => {}
            Step::End => panic!("it ended after {kinds:?}"),
        }
    }
    kinds
}

#[test]
fn messages_come_and_a_lost_connection_is_opened_again_with_a_word_about_it() {
    let (options, heard) = serve(|number, mut socket, tell| {
        say(&mut socket, r#"{"type":"connected","data":{"message":"hello"}}"#);
        tell(socket.read().unwrap().to_string());
        say(&mut socket, r#"{"type":"subscribed","data":["x"]}"#);
        say(&mut socket, r#"{"type":"ping"}"#);
        tell(socket.read().unwrap().to_string());
        say(&mut socket, if number == 0 { "[1]" } else { r#"{"type":"task_moved","data":{"id":1}}"# });
        if number == 0 {
            // Dropped without a close frame, as real servers do.
            return;
        }
        let _ = socket.read();
    });
    let client = Client::new(options).unwrap();
    let stream = client
        .watch(&WatchOptions { subscribe: Some(r#"["x"]"#.to_owned()), ..WatchOptions::default() })
        .unwrap();
    let began = Instant::now();
    assert_eq!(
        take(&stream, 7),
        ["connected", "subscribed", "message", "gap", "connected", "subscribed", "task_moved"]
    );
    assert!(began.elapsed() >= Duration::from_millis(900), "at most one handshake a second");
    let asked = "/prefix/ws?token=loki_canary%2B%2F%3D";
    let subscribe = r#"{"type":"subscribe","data":["x"]}"#;
    let expected = [asked, subscribe, r#"{"type":"pong"}"#];
    assert_eq!(heard.try_iter().take(6).collect::<Vec<_>>(), [expected, expected].concat());
    stream.close();
    assert!(matches!(stream.next(&StreamCall::default()).step, Ok(Step::End)));
}

#[test]
fn a_refused_handshake_is_an_error_that_does_not_show_the_token() {
    let refusing = |status: u16| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                #[expect(clippy::result_large_err, reason = "the type that tungstenite asks for")]
                let refuse = |_: &Request, _| {
                    let response = tungstenite::http::Response::builder().status(status);
                    Err(response.body(Some("no".to_owned())).unwrap())
                };
                assert!(accept_hdr(stream.unwrap(), refuse).is_err());
            }
        });
        let options = Options { base_url, token: Some(TOKEN.into()), ..Options::default() };
        let stream = Client::new(options).unwrap().watch(&WatchOptions::default()).unwrap();
        stream.next(&StreamCall::default()).step.unwrap_err()
    };
    for (status, kind) in [(403, ErrorKind::PermissionDenied), (404, ErrorKind::NotAvailable)] {
        let error = refusing(status);
        assert_eq!((error.kind(), error.details().status_code), (kind, Some(status)));
        assert!(!format!("{error} {error:?}").contains("canary"), "{error:?}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let options = Options {
        base_url: format!("http://{closed}"),
        token: Some(TOKEN.into()),
        timeout: Duration::from_millis(300),
        ..Options::default()
    };
    let stream = Client::new(options).unwrap().watch(&WatchOptions::default()).unwrap();
    let error = stream.next(&StreamCall::default()).step.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(
        !format!("{error} {error:?}").contains("canary") && error.to_string().contains("/ws"),
        "{error:?}"
    );
}

#[test]
fn close_ends_a_wait_for_messages() {
    let (options, _heard) = serve(|_, mut socket, _| drop(socket.read()));
    let stream = std::sync::Arc::new(Client::new(options).unwrap().watch(&WatchOptions::default()).unwrap());
    let other = std::sync::Arc::clone(&stream);
    let closer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        other.close();
    });
    let began = Instant::now();
    assert!(matches!(stream.next(&StreamCall::default()).step, Ok(Step::End)));
    assert!(began.elapsed() < Duration::from_secs(3));
    closer.join().unwrap();
}
