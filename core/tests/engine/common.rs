//! A server of a few lines: takes connections, and does on each what its script says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use loki_mode_core::stream::{Step, Stream, StreamCall};
use loki_mode_core::{Args, CallOptions, Client, Error, Options, Response};

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `GET /path?query`.
    pub(crate) fn target(&self) -> &str {
        self.line.trim_end_matches(" HTTP/1.1")
    }
}

/// What to do about a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Send this and keep the connection.
    Send(String),
    /// Send this, then close without a word.
    SendAndClose(String),
    /// Send this, then say nothing until the client goes away.
    SendAndHold(String),
    /// Send this one byte at a time, with a pause between them.
    Drip(String, Duration),
    /// Close without an answer.
    Close,
    /// Say nothing until the client goes away.
    Silence,
}

/// An answer with a JSON body.
pub(crate) fn json(status: u16, body: &str) -> Reply {
    Reply::Send(text(status, "content-type: application/json\r\n", body))
}

/// An answer with these headers.
pub(crate) fn text(status: u16, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

pub(crate) struct Server {
    pub(crate) base_url: String,
    requests: Receiver<Seen>,
}

impl Server {
    /// Answers the requests in the order of the script, over all connections; afterwards it closes connections.
    pub(crate) fn script(replies: Vec<Reply>) -> Self {
        let mut replies = replies.into_iter();
        Self::new(move |_| replies.next().unwrap_or(Reply::Close))
    }

    /// Answers each request as the function says.
    pub(crate) fn new(mut reply: impl FnMut(&Seen) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        let (asked, questions) = channel::<(Seen, Sender<Reply>)>();
        thread::spawn(move || {
            for (seen, answer) in questions {
                let decided = reply(&seen);
                // The test may be over; then nobody looks at the requests any more.
                let _ = sender.send(seen);
                let _ = answer.send(decided);
            }
        });
        thread::spawn(move || {
            for (connection, stream) in listener.incoming().enumerate() {
                let asked = asked.clone();
                thread::spawn(move || serve(stream.unwrap(), connection, &asked));
            }
        });
        Server { base_url, requests }
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Seen> {
        self.requests.try_iter().collect()
    }

    /// `GET /path` of each request so far.
    pub(crate) fn targets(&self) -> Vec<String> {
        self.requests().iter().map(|seen| seen.target().to_owned()).collect()
    }

    pub(crate) fn options(&self) -> Options {
        Options { base_url: self.base_url.clone(), ..Options::default() }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.options()).unwrap()
    }
}

fn serve(stream: TcpStream, connection: usize, asked: &Sender<(Seen, Sender<Reply>)>) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    while let Some(seen) = read_request(&mut reader, connection) {
        let (sender, receiver) = channel();
        if asked.send((seen, sender)).is_err() {
            return;
        }
        // Writes fail when the client has gone, which is what some tests are about.
        let outcome = match receiver.recv().unwrap_or(Reply::Close) {
            Reply::Send(text) => stream.write_all(text.as_bytes()),
            Reply::SendAndClose(text) => {
                let _ = stream.write_all(text.as_bytes());
                return;
            }
            Reply::SendAndHold(text) => {
                let _ = stream.write_all(text.as_bytes());
                let _ = reader.read(&mut [0]);
                return;
            }
            Reply::Drip(text, pause) => text.as_bytes().iter().try_for_each(|byte| {
                thread::sleep(pause);
                stream.write_all(&[*byte])
            }),
            Reply::Close => return,
            Reply::Silence => {
                let _ = reader.read(&mut [0]);
                return;
            }
        };
        if outcome.is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<TcpStream>, connection: usize) -> Option<Seen> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.map_or(0, |(_, value)| value.parse().unwrap())];
    reader.read_exact(&mut body).ok()?;
    Some(Seen {
        line: line.trim_end().to_owned(),
        headers,
        body: String::from_utf8(body).unwrap(),
        connection,
    })
}

/// Executes an operation with arguments as a JSON array.
pub(crate) fn call(client: &Client, operation: &str, args: &str) -> Result<Response, Error> {
    call_with(client, operation, args, &CallOptions::default())
}

pub(crate) fn call_with(
    client: &Client,
    operation: &str,
    args: &str,
    options: &CallOptions<'_>,
) -> Result<Response, Error> {
    let operation = loki_mode_spec::operation(operation).unwrap();
    client.execute(operation, Args::from_json(operation, args)?, options)
}

pub(crate) const PROJECT: &str = r#"{"id":1,"name":"a","status":"active","created_at":"x","updated_at":"x"}"#;
pub(crate) const RUN: &str = r#"{"id":1,"project_id":1,"status":"running","trigger":"api","started_at":"x"}"#;

/// The ids of the items that a stream gives next; none at the end.
pub(crate) fn next_ids(stream: &Stream) -> Result<Option<Vec<i64>>, Error> {
    #[derive(serde::Deserialize)]
    struct Item {
        id: i64,
    }
    loop {
        match stream.next(&StreamCall::default()).step? {
            Step::Items(batch) => {
                let items: Vec<Item> = serde_json::from_str(batch.json()).unwrap();
                assert_eq!(items.len(), batch.count());
                return Ok(Some(items.into_iter().map(|item| item.id).collect()));
            }
            Step::Idle => {}
            Step::End => return Ok(None),
        }
    }
}
