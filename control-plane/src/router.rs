//! From a request to a handler and back: the table's paths, the order of the checks, the audit entry, the answer.

use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header, request};
use axum::routing::any;
use flate2::Compression;
use flate2::write::GzEncoder;
use loki_mode_spec::{EVENTS, Operation, WATCH};
use rusqlite::{Connection, Transaction};

use crate::answers::{self, Answer, Failure};
use crate::auth::{self, Principal};
use crate::clock;
use crate::connection::Link;
use crate::dashboard::{self, Dashboards};
use crate::live::{self, Hub};
use crate::profile::Profile;
use crate::routes::{self, Call, Handler};
use crate::session_player::{self, Manner};
use crate::store::{Store, audit, sessions};
use crate::validate::{self, Received};

/// The largest body that is read, in bytes.
const BODY_LIMIT: usize = 16 << 20;

/// Everything that an answer depends on.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) profile: Profile,
    pub(crate) auth: bool,
    pub(crate) store: Store,
    pub(crate) live: Hub,
    pub(crate) dashboards: Dashboards,
    pub(crate) started: Instant,
    /// How many times as fast as usual sessions play.
    pub(crate) session_speed: f64,
    /// Whether there are providers of agents.
    pub(crate) provides: bool,
    /// How long the event stream may be silent.
    pub(crate) keep_alive: Duration,
    /// How long a client of the WebSocket may be silent before it is asked.
    pub(crate) dashboard_silence: Duration,
}

/// An operation at its path.
#[derive(Debug, Clone, Copy)]
struct Bound {
    operation: &'static Operation,
    handler: Handler,
}

/// The operations of one path.
type Group = (&'static str, Vec<Bound>);

/// Binds every operation that this server has to the handler of its name. Fails with the name that has none.
fn groups(profile: Profile) -> Result<Vec<Group>, &'static str> {
    let mut groups: Vec<Group> = Vec::new();
    for operation in loki_mode_spec::operations().filter(|operation| operation.view_of.is_none()) {
        let Some(path) = profile.path(operation) else { continue };
        let bound = Bound { operation, handler: routes::handler(operation.name).ok_or(operation.name)? };
        match groups.iter_mut().find(|(known, _)| *known == path) {
            Some((_, group)) => group.push(bound),
            None => groups.push((path, vec![bound])),
        }
    }
    Ok(groups)
}

/// The router of a server. Fails with the name of an operation that has no handler.
pub(crate) fn router(app: &Arc<App>) -> Result<Router, &'static str> {
    let mut router = Router::new();
    let groups = groups(app.profile)?;
    let paths: Arc<[&'static str]> = groups.iter().map(|(path, _)| *path).collect();
    for (path, group) in groups {
        let (app, group) = (Arc::clone(app), Arc::<[Bound]>::from(group));
        router = router.route(path, any(move |request| serve(Arc::clone(&app), Arc::clone(&group), request)));
    }
    if app.profile.has_http_api() {
        let app = Arc::clone(app);
        router = router.route(EVENTS.path, any(move |request| events(Arc::clone(&app), request)));
    }
    let dashboard_app = Arc::clone(app);
    router = router.route(WATCH.path, any(move |request| watch(Arc::clone(&dashboard_app), request)));
    let app = Arc::clone(app);
    Ok(router.fallback(move |request: Request| {
        let (app, paths) = (Arc::clone(&app), Arc::clone(&paths));
        async move {
            let (parts, body) = request.into_parts();
            // Read to its end, as real servers do: an unread body would end the connection.
            if to_bytes(body, BODY_LIMIT).await.is_err() {
                return finish(&app, &parts, too_large());
            }
            finish(&app, &parts, unknown(&app, &parts, &paths))
        }
    }))
}

/// The stream of live events.
async fn events(app: Arc<App>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    if parts.method.as_str() != "GET" {
        return finish(&app, &parts, answers::method_not_allowed("GET"));
    }
    let allowed = if app.auth { auth::may_read(&app.store.lock(), &parts.headers) } else { Ok(()) };
    let outcome = allowed.and_then(|()| live::stream(&app.live, &parts, app.keep_alive));
    finish(&app, &parts, outcome.unwrap_or_else(Failure::into_response))
}

/// The WebSocket of the dashboard; without the handshake of one there is no such route.
async fn watch(app: Arc<App>, request: Request) -> Response<Body> {
    let (mut parts, _) = request.into_parts();
    let response = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        Ok(upgrade) => dashboard::accept(&app, &parts.uri, parts.extensions.get::<Link>(), upgrade),
        Err(_) => unknown(&app, &parts, &[]),
    };
    finish(&app, &parts, response)
}

/// Whether a path is one of the table's.
fn matches(pattern: &str, path: &str) -> bool {
    let mut segments = path.split('/');
    let fits = pattern.split('/').all(|part| {
        segments
            .next()
            .is_some_and(|segment| if part.starts_with('{') { !segment.is_empty() } else { part == segment })
    });
    fits && segments.next().is_none()
}

/// The answer where there is no route.
fn unknown(app: &App, parts: &request::Parts, paths: &[&'static str]) -> Response<Body> {
    let (headers, uri) = (&parts.headers, &parts.uri);
    let path = uri.path();
    if let Some(right) = path.strip_suffix('/').filter(|_| app.profile.redirects_slashes())
        && paths.iter().any(|pattern| matches(pattern, right))
    {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        return answers::redirect(&format!("http://{host}{right}{query}"));
    }
    if app.auth
        && app.profile.catches_all()
        && path.starts_with("/api/")
        && let Err(failure) = auth::authenticate(&app.store.lock(), headers)
    {
        return failure.into_response();
    }
    answers::unknown_route(app.profile, parts.method.as_str(), path)
}

fn too_large() -> Response<Body> {
    Failure::Refused(StatusCode::PAYLOAD_TOO_LARGE, "Request body too large".to_owned()).into_response()
}

/// A request that was read to its end.
struct Incoming {
    parts: request::Parts,
    path: Vec<(String, String)>,
    body: Bytes,
}

async fn serve(app: Arc<App>, group: Arc<[Bound]>, request: Request) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let path: Vec<(String, String)> = match RawPathParams::from_request_parts(&mut parts, &()).await {
        Ok(params) => params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        Err(_) => Vec::new(),
    };
    let Ok(body) = to_bytes(body, BODY_LIMIT).await else {
        return finish(&app, &parts, too_large());
    };
    // Servers see the decoded path, where `%2F` is one more separator.
    let route_exists = path.iter().all(|(_, value)| !value.contains('/'));
    if !route_exists {
        let response = unknown(&app, &parts, &[]);
        return finish(&app, &parts, response);
    }
    let method = parts.method.as_str();
    let Some(bound) = group.iter().find(|bound| bound.operation.method.as_str() == method).copied() else {
        let allow = group.first().map_or("GET", |bound| bound.operation.method.as_str());
        return finish(&app, &parts, answers::method_not_allowed(allow));
    };
    let incoming = Incoming { parts, path, body };
    // Reads of a row take microseconds; whatever waits for the disk or walks the audit log leaves the event loop alone.
    let slow = routes::is_change(bound.operation) || auth::required_scope(bound.operation) == "audit";
    if !slow {
        return answer(&app, bound, &incoming);
    }
    let task = tokio::task::spawn_blocking(move || answer(&app, bound, &incoming));
    match task.await {
        Ok(response) => response,
        Err(error) => Failure::Internal(format!("handler: {error}")).into_response(),
    }
}

/// Answers a request for an operation.
fn answer(app: &Arc<App>, bound: Bound, incoming: &Incoming) -> Response<Body> {
    let response = match execute(app, bound, incoming) {
        Ok(answer) => {
            if let Some(session) = &answer.plays {
                play(app, session);
            }
            success(app.profile, bound.operation, answer, &incoming.parts.headers)
        }
        Err(failure) => {
            if let Failure::Internal(reason) = &failure {
                // The log of a server whose standard error is closed has no reader.
                let _ = writeln!(std::io::stderr(), "{}: {reason}", bound.operation.name);
            }
            let coded = app.profile.refuses_with_code(bound.operation);
            if coded { failure.with_code() } else { failure }.into_response()
        }
    };
    finish(app, &incoming.parts, response)
}

/// Plays a session that has just been started.
fn play(app: &Arc<App>, session: &str) {
    let manner = sessions::options(&app.store.lock(), session).map(|options| Manner::of(options.as_deref()));
    let (app, session) = (Arc::clone(app), session.to_owned());
    tokio::spawn(async move {
        let outcome = match manner {
            Ok(manner) => session_player::run(app, session.clone(), manner).await,
            Err(error) => Err(error),
        };
        if let Err(error) = outcome {
            // Standard error may be closed; there is nowhere else to say it.
            let _ = writeln!(std::io::stderr(), "{session}: {error}");
        }
    });
}

/// Access, then input, then the operation: in this order, as on real servers.
fn execute(app: &App, bound: Bound, incoming: &Incoming) -> Result<Answer, Failure> {
    let Incoming { parts, path, body } = incoming;
    let operation = bound.operation;
    let open = !app.auth || app.profile.open_without_token(operation);
    let principal = if open { None } else { Some(auth::authenticate(&app.store.lock(), &parts.headers)?) };
    let allowed = match &principal {
        Some(principal) => auth::authorize(app.profile, operation, principal),
        None => Ok(()),
    };
    let header = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let checked = allowed.and_then(|()| {
        let content_type = header(header::CONTENT_TYPE).unwrap_or_default();
        let query = parts.uri.query().unwrap_or_default();
        validate::inputs(app.profile, operation, &Received { path, query, content_type, body })
    });
    let now = clock::now();
    let run = |connection: &Connection| {
        let inputs = checked.as_ref().map_err(|_| ())?;
        let call = Call {
            profile: app.profile,
            inputs,
            principal: principal.as_ref(),
            started: app.started,
            now,
            live: &app.live,
            provides: app.provides,
        };
        Ok::<_, ()>((bound.handler)(&call, connection))
    };
    if !routes::is_change(operation) {
        return match run(&app.store.lock()) {
            Ok(outcome) => outcome,
            Err(()) => checked.and_then(|_| Err(Failure::Internal("unchecked input".to_owned()))),
        };
    }
    let peer = parts.extensions.get::<Link>().map(|link| link.peer.ip().to_string());
    let (action, resource_type) = routes::audit_name(operation);
    let record = |connection: &Connection, resource: Option<&str>, error: Option<&str>| {
        let principal: Option<&Principal> = principal.as_ref();
        audit::append(
            connection,
            &audit::Entry {
                timestamp: now,
                action,
                resource_type,
                resource_id: resource.or_else(|| path.first().map(|(_, value)| value.as_str())),
                user_id: principal.map(|principal| principal.name.as_str()),
                token_id: principal.map(|principal| principal.key_id.as_str()),
                ip_address: peer.as_deref(),
                user_agent: header(header::USER_AGENT),
                error,
            },
        )
    };
    let change = |transaction: &Transaction<'_>| {
        let Ok(outcome) = run(transaction) else {
            return Ok::<_, Failure>(None);
        };
        let answer = outcome?;
        record(transaction, answer.resource.as_deref(), None)?;
        Ok(Some(answer))
    };
    let outcome = app.store.write_and_tell(change, |answer: &Option<Answer>| {
        answer.iter().flat_map(|answer| &answer.news).for_each(|news| news.tell(app));
    });
    let failure = match outcome {
        Ok(Some(answer)) => return Ok(answer),
        Ok(None) => match checked {
            Err(failure) => failure,
            Ok(_) => Failure::Internal("unchecked input".to_owned()),
        },
        Err(failure) => failure,
    };
    if let Some(text) = failure.audit_text() {
        app.store.write(|transaction| record(transaction, None, Some(text)))?;
    }
    Err(failure)
}

/// The status of a success is that of the table, unless the answer has one of its own.
fn success(profile: Profile, operation: &Operation, answer: Answer, headers: &HeaderMap) -> Response<Body> {
    let of_table = || StatusCode::from_u16(operation.success).unwrap_or(StatusCode::OK);
    let status = answer.status.unwrap_or_else(of_table);
    let text = answer.body.unwrap_or_default();
    let accepts_gzip = headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.to_ascii_lowercase().contains("gzip"));
    if accepts_gzip && profile.gzip_from().is_some_and(|least| text.len() >= least) {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Writing to memory cannot fail; if it did, the text would go out as it is.
        if let Ok(bytes) = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()) {
            let mut response = answers::json(status, String::new());
            *response.body_mut() = Body::from(bytes);
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            return response;
        }
    }
    answers::json(status, text)
}

/// What every answer carries, and what becomes of the connection.
fn finish(app: &App, parts: &request::Parts, mut response: Response<Body>) -> Response<Body> {
    let headers = response.headers_mut();
    headers.insert(header::SERVER, HeaderValue::from_static(app.profile.server_header()));
    if app.profile.gzip_from().is_some() {
        headers.insert(header::VARY, HeaderValue::from_static("Origin, Accept-Encoding"));
    }
    if response.status() == StatusCode::INTERNAL_SERVER_ERROR
        && let Some(link) = parts.extensions.get::<Link>()
    {
        link.close_silently();
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Dashboards have no sessions, no live events, and of the probes only `/health`.
    const NOT_ON_DASHBOARDS: &[&str] = &[
        "get_readiness",
        "get_liveness",
        "list_sessions",
        "get_session",
        "list_all_sessions",
        "get_session_status",
        "start_session",
        "stop_session",
        "send_input",
        "delete_session",
        "list_session_tasks",
        "list_active_tasks",
        "list_queued_tasks",
        "get_event_history",
        "get_event_stats",
    ];

    #[test]
    fn every_profile_serves_its_operations() {
        for profile in Profile::ALL {
            let served: usize = groups(profile).unwrap().iter().map(|(_, group)| group.len()).sum();
            let missing =
                loki_mode_spec::operations().filter(|operation| profile.path(operation).is_none()).count();
            let views = loki_mode_spec::operations().filter(|operation| operation.view_of.is_some());
            let (views, missing_views): (Vec<_>, Vec<_>) =
                views.partition(|view| profile.path(view).is_some());
            assert_eq!(served + views.len() + missing, loki_mode_spec::operations().count());
            let missing: Vec<_> = loki_mode_spec::operations()
                .filter(|operation| profile.path(operation).is_none())
                .map(|operation| operation.name)
                .collect();
            if profile.is_guide() {
                assert!(missing.is_empty() && missing_views.is_empty(), "the guide's server has everything");
            } else {
                assert_eq!(missing, NOT_ON_DASHBOARDS);
            }
        }
    }

    #[test]
    fn patterns_match_whole_paths() {
        assert!(matches("/api/runs/{run_id}/cancel", "/api/runs/7/cancel"));
        assert!(!matches("/api/runs/{run_id}/cancel", "/api/runs//cancel"));
        assert!(!matches("/api/runs", "/api/runs/7"));
        assert!(!matches("/api/runs/{run_id}", "/api/runs"));
    }
}
