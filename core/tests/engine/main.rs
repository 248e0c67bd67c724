//! The engine over real sockets, against a server that does what each test says.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod answers;
mod audit;
mod common;
mod faults;
#[cfg(target_os = "linux")]
mod fibers;
mod follow;
mod limits;
mod list_server;
mod live;
mod options;
mod paging;
mod paging_odd_servers;
mod proxies;
mod secrets;
mod servers;
mod terms;
mod tls;
mod typed;
mod wait;
mod watch;
