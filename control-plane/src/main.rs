//! The command line of the local control plane.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use loki_control_plane::{Config, Profile, Server};

/// A local Autonomi Control Plane for development, demos and tests
///
/// Serves the API on this machine, in memory or in a SQLite file. The first line on standard output is the base URL.
/// Ctrl-C or SIGTERM ends it. In production, run Loki Mode itself.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Options {
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,

    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 57374)]
    port: u16,

    /// Turn auth on, with this token as first admin token; without it auth is off
    #[arg(long, value_name = "T", value_parser = token)]
    token: Option<String>,

    /// Turn auth off although there is a token
    #[arg(long)]
    no_auth: bool,

    /// SQLite file to keep everything in; created if missing [default: in memory]
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,

    /// Which server to be on the wire: guide (as the SDK guide says), v5.51 or v9.22 (as those real servers do)
    #[arg(long, default_value = "guide", value_name = "NAME")]
    profile: Profile,

    /// Add a small fixed set of projects, tenants, runs, tasks and keys, unless there are projects already
    #[arg(long)]
    seed: bool,

    /// Add the same data and keep playing runs: each moves through its phases and ends, then another begins
    #[arg(long)]
    demo: bool,

    /// How many times as fast as usual the demo plays
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = speed, requires = "demo")]
    demo_speed: f64,

    /// How many times as fast as usual sessions play that are started with POST /api/sessions
    #[arg(long, default_value_t = 1.0, value_name = "FACTOR", value_parser = speed)]
    session_speed: f64,

    /// Pretend that no provider of agents is installed: /health answers 503, and no session can be started
    #[arg(long)]
    without_providers: bool,

    /// How long GET /api/events may be silent before it sends a comment
    #[arg(long, default_value = "15", value_name = "SECONDS", value_parser = seconds)]
    keep_alive: Duration,

    /// How often GET /api/events sends a heartbeat for each session at work
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    heartbeat: Duration,

    /// How long a client of the WebSocket /ws may be silent before it is sent a ping; v9.22 hangs up after twice that
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = seconds)]
    ws_silence: Duration,
}

const EXAMPLES: &str = "\
Examples:
  loki-control-plane --demo                              look around without a token
  loki-control-plane --port 0 --token loki_dev           free port, auth on
  loki-control-plane --data dev.db --profile v9.22       kept in a file, on the wire like 9.22

Events of the types run_completed and run_failed, added with POST .../runs/{id}/events, end their run.

Live events (profile guide): every run has a session, session-<id of the run>. Its start and its end are session:...
events, phase_start and phase_end are phase:started and phase:completed. A run event whose type has a colon, such as
task:failed, goes out under this very type, its details as data: so any event can be sent. All others are log:info.";

fn token(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a token consists of visible ASCII characters, at least one".to_owned())
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if factor.is_finite() && (0.001..=1000.0).contains(&factor) => Ok(factor),
        _ => Err("a factor from 0.001 to 1000 is needed".to_owned()),
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("a number of seconds from 0.01 to 86400 is needed".to_owned()),
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    let config = Config {
        host: options.host,
        port: options.port,
        profile: options.profile,
        token: options.token,
        no_auth: options.no_auth,
        data: options.data,
        seed: options.seed,
        demo: options.demo.then_some(options.demo_speed),
        session_speed: options.session_speed,
        without_providers: options.without_providers,
        keep_alive: options.keep_alive,
        heartbeat: options.heartbeat,
        dashboard_silence: options.ws_silence,
    };
    match run(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to do if standard error is closed.
            let _ = writeln!(io::stderr(), "loki-control-plane: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Config) -> Result<(), Box<dyn std::error::Error>> {
    // Before the URL is printed: whoever reads it may send a signal at once.
    let signals = Signals::listen()?;
    let server = Server::start(config)?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", server.base_url())?;
    stdout.flush()?;
    let mut stderr = io::stderr();
    let auth = if server.requires_token() { "auth is on" } else { "auth is off: every request is allowed" };
    // What is said here is a courtesy.
    let _ = writeln!(
        stderr,
        "loki-control-plane {}, profile {}, {auth}",
        env!("CARGO_PKG_VERSION"),
        config.profile.name()
    );
    signals.wait()?;
    server.stop();
    Ok(())
}

/// The signals that end the server.
struct Signals {
    runtime: tokio::runtime::Runtime,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let _entered = runtime.enter();
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
            drop(_entered);
            Ok(Signals { runtime, terminate, interrupt })
        }
        #[cfg(not(unix))]
        {
            drop(_entered);
            Ok(Signals { runtime })
        }
    }

    fn wait(self) -> io::Result<()> {
        #[cfg(unix)]
        {
            let Signals { runtime, mut terminate, mut interrupt } = self;
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            Ok(())
        }
        #[cfg(not(unix))]
        self.runtime.block_on(tokio::signal::ctrl_c())
    }
}
