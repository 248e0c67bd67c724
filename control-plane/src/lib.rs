//! A local Control Plane: the API of the operations table on SQLite, for development, demos and tests.
//!
//! It answers on the wire as the SDK guide says, or as one of two real servers does ([`Profile`]). In production people
//! run Loki Mode itself.

mod answers;
mod auth;
mod clock;
mod connection;
mod dashboard;
mod json;
mod live;
mod news;
mod player;
mod profile;
mod router;
mod routes;
mod seed;
mod session_player;
mod store;
mod validate;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpListener;
use tokio::runtime::Runtime;

pub use profile::Profile;

use answers::Failure;
use dashboard::Dashboards;
use live::Hub;
use router::App;
use store::Store;
use store::keys::{self, NewKey};
use store::sessions;

/// How long answers that are being prepared may take when the server is stopped.
const STOP_TIMEOUT: Duration = Duration::from_secs(2);

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address or name to listen on. Default `127.0.0.1`.
    pub host: String,
    /// Port to listen on; 0, the default, takes a free one.
    pub port: u16,
    /// The server to play. Default [`Profile::Guide`].
    pub profile: Profile,
    /// A token with the role admin. Auth is on if there is one. Default: none.
    pub token: Option<String>,
    /// Turns auth off although there is a token.
    pub no_auth: bool,
    /// The SQLite file to keep everything in. Default: in memory.
    pub data: Option<PathBuf>,
    /// Adds a small fixed set of data, unless there are projects already.
    pub seed: bool,
    /// Adds the same data and keeps playing runs, this many times as fast as usual.
    pub demo: Option<f64>,
    /// Sessions that are started through the API play this many times as fast as usual. Default 1.
    pub session_speed: f64,
    /// Pretends that no provider of agents is installed: the server is not well, and starts no sessions. Default false.
    pub without_providers: bool,
    /// How long the event stream may be silent before a comment is sent. Default 15 s.
    pub keep_alive: Duration,
    /// How often a heartbeat is sent for each session at work. Default 10 s.
    pub heartbeat: Duration,
    /// How long a client of the WebSocket may be silent before it is sent a `ping`. Default 30 s.
    pub dashboard_silence: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            host: "127.0.0.1".to_owned(),
            port: 0,
            profile: Profile::Guide,
            token: None,
            no_auth: false,
            data: None,
            seed: false,
            demo: None,
            session_speed: 1.0,
            without_providers: false,
            keep_alive: Duration::from_secs(15),
            heartbeat: Duration::from_secs(10),
            dashboard_silence: Duration::from_secs(30),
        }
    }
}

/// Why a server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {host}:{port}: {source}")]
    Listen {
        /// The host asked for.
        host: String,
        /// The port asked for.
        port: u16,
        /// The reason.
        source: std::io::Error,
    },
    /// The threads could not be started.
    #[error("cannot start threads: {0}")]
    Threads(#[from] std::io::Error),
    /// The data file cannot be used.
    #[error("cannot use {}: {source}", .file.as_ref().map_or("memory".into(), |file| file.display().to_string()))]
    Data {
        /// The file.
        file: Option<PathBuf>,
        /// The reason.
        source: rusqlite::Error,
    },
    /// The first data could not be written.
    #[error("cannot fill the database: {0}")]
    Fill(String),
    /// An operation of the table is not implemented.
    #[error("operation {0} of the table has no handler")]
    NoHandler(&'static str),
}

/// A running server with threads of its own. It ends when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    auth: bool,
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts a server and returns when it accepts connections.
    ///
    /// # Errors
    /// The address is taken, the file cannot be used, or the threads cannot be started.
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let data_error = |source| StartError::Data { file: config.data.clone(), source };
        let store = Store::open(config.data.as_deref()).map_err(data_error)?;
        let auth = config.token.is_some() && !config.no_auth;
        fill(&store, config).map_err(|failure| match failure {
            Failure::Internal(reason) => StartError::Fill(reason),
            other => StartError::Fill(format!("{other:?}")),
        })?;
        let app = Arc::new(App {
            profile: config.profile,
            auth,
            store,
            live: Hub::new(),
            dashboards: Dashboards::new(),
            started: Instant::now(),
            session_speed: config.session_speed,
            provides: !config.without_providers,
            keep_alive: config.keep_alive,
            dashboard_silence: config.dashboard_silence,
        });
        let router = router::router(&app).map_err(StartError::NoHandler)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let listen_error =
            |source| StartError::Listen { host: config.host.clone(), port: config.port, source };
        let listener =
            runtime.block_on(TcpListener::bind((config.host.as_str(), config.port))).map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        runtime.spawn(accept(listener, router));
        runtime.spawn(session_player::heartbeats(Arc::clone(&app), config.heartbeat));
        if let Some(speed) = config.demo {
            runtime.spawn(async move {
                if let Err(error) = player::run(app, speed).await {
                    // Standard error may be closed; there is nowhere else to say it.
                    let _ = writeln!(std::io::stderr(), "demo: {error}");
                }
            });
        }
        Ok(Server { address, auth, runtime: Some(runtime) })
    }

    /// The URL that clients are given.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether a token is needed.
    pub fn requires_token(&self) -> bool {
        self.auth
    }

    /// Stops accepting, lets answers that are being prepared finish (for at most 2 s), and ends all threads.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(STOP_TIMEOUT);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// Writes what the options ask for: data, and the key of the first token.
fn fill(store: &Store, config: &Config) -> Result<(), Failure> {
    store.write(|transaction| {
        sessions::end_orphans(transaction, clock::now())?;
        if config.seed || config.demo.is_some() {
            seed::fill(transaction)?;
        }
        let Some(token) = config.token.as_deref() else {
            return Ok(());
        };
        if keys::holder(transaction, token)?.is_some() {
            return Ok(());
        }
        let mut name = "root".to_owned();
        let mut number = 2;
        while keys::name_taken(transaction, &name)? {
            name = format!("root-{number}");
            number += 1;
        }
        let key = NewKey { name: &name, scopes: "[\"*\"]", role: Some("admin"), ..NewKey::default() };
        keys::create(transaction, token, &key, clock::now()).map(drop)
    })
}

async fn accept(listener: TcpListener, router: axum::Router) {
    loop {
        match listener.accept().await {
            Ok((tcp, peer)) => {
                tokio::spawn(connection::serve(tcp, peer, router.clone()));
            }
            // Out of file descriptors, or a client that is gone already: later ones may have more luck.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}
