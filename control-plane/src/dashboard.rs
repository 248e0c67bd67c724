//! The WebSocket of the dashboard: tells of changes of projects and tasks, and answers a few words.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{Response, StatusCode, Uri, header};
use loki_mode_spec::WATCH;
use serde_json::value::RawValue;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep_until};

use crate::connection::Link;
use crate::json;
use crate::router::App;
use crate::store::keys;

/// How far a client may fall behind.
const BEHIND: usize = 256;

/// Everybody at the WebSocket.
#[derive(Debug)]
pub(crate) struct Dashboards(broadcast::Sender<Arc<str>>);

impl Dashboards {
    pub(crate) fn new() -> Self {
        Dashboards(broadcast::Sender::new(BEHIND))
    }

    /// Tells everybody; the message is JSON text.
    pub(crate) fn tell(&self, message: &str) {
        // An error means that nobody listens.
        let _ = self.0.send(Arc::from(message));
    }
}

/// Answers a handshake. The token travels in the query string; a refusal is a 403, whatever the reason.
pub(crate) fn accept(app: &App, uri: &Uri, link: Option<&Link>, upgrade: WebSocketUpgrade) -> Response<Body> {
    if app.auth && !has_token(app, uri) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::FORBIDDEN;
        response.headers_mut().insert(header::CONTENT_LENGTH, 0.into());
        return response;
    }
    let messages = app.dashboards.0.subscribe();
    let busy = link.map(Link::busy);
    let silence = app.dashboard_silence;
    let drops = app.profile.drops_silent_dashboards();
    upgrade.on_upgrade(move |socket| async move {
        serve(socket, messages, silence, drops).await;
        drop(busy);
    })
}

fn has_token(app: &App, uri: &Uri) -> bool {
    let query: HashMap<_, _> = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).collect();
    let token = WATCH.token_param.and_then(|name| query.get(name));
    token.is_some_and(|token| matches!(keys::holder(&app.store.lock(), token), Ok(Some(_))))
}

/// Serves one client to its end. After `silence` it gets a `ping`; if it `drops`, it hangs up after twice that.
async fn serve(
    mut socket: WebSocket,
    mut messages: broadcast::Receiver<Arc<str>>,
    silence: Duration,
    drops: bool,
) {
    const WELCOME: &str = r#"{"type":"connected","data":{"message":"Connected to Loki Dashboard"}}"#;
    const PING: &str = r#"{"type":"ping"}"#;
    if socket.send(Message::text(WELCOME)).await.is_err() {
        return;
    }
    let mut heard = Instant::now();
    let mut next_ping = heard + silence;
    loop {
        let answer = tokio::select! {
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => {
                    heard = Instant::now();
                    next_ping = heard + silence;
                    match answer_to(text.as_str()) {
                        Ok(answer) => answer,
                        // Real servers fall over such a message, without a goodbye.
                        Err(NoObject) => return,
                    }
                }
                // These are answered below; real servers do not count them as a sign of life.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => None,
                Some(Ok(Message::Binary(_) | Message::Close(_)) | Err(_)) | None => return,
            },
            message = messages.recv() => match message {
                Ok(message) => Some(message.to_string()),
                Err(broadcast::error::RecvError::Lagged(_) | broadcast::error::RecvError::Closed) => return,
            },
            () = sleep_until(next_ping) => {
                if drops && heard.elapsed() >= silence * 2 {
                    return;
                }
                next_ping += silence;
                Some(PING.to_owned())
            }
        };
        // A client that does not read must not hold up the server, nor be told anything out of order.
        if let Some(answer) = answer
            && !matches!(tokio::time::timeout(silence, socket.send(Message::text(answer))).await, Ok(Ok(())))
        {
            return;
        }
    }
}

/// A message that is JSON, but no object.
struct NoObject;

/// What is said to a message of a client.
fn answer_to(text: &str) -> Result<Option<String>, NoObject> {
    let Ok(raw) = serde_json::from_str::<&RawValue>(text) else { return Ok(None) };
    let Ok(message) = serde_json::from_str::<HashMap<String, &RawValue>>(raw.get()) else {
        return Err(NoObject);
    };
    Ok(match message.get("type").map(|kind| kind.get()) {
        Some("\"ping\"") => Some(json::object(|object| object.str("type", "pong"))),
        Some("\"subscribe\"") => {
            let data = message.get("data").map_or("{}", |data| data.get());
            Some(json::object(|object| object.str("type", "subscribed").raw("data", data)))
        }
        _ => None,
    })
}
