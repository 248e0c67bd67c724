//! Which live events are wanted.

use std::time::Duration;

use crate::args::Value;

/// Which live events are wanted.
#[derive(Debug, Clone, Default)]
pub struct LiveOptions {
    /// Only events of this session. Default: of all.
    pub session_id: Option<Value>,
    /// Only events of these types, in either spelling: `task:completed` or `task.completed`. Default: all.
    pub types: Vec<String>,
    /// Only lines of the log of this level or above: `debug`, `info`, `warn` or `error`. Default: all.
    pub min_level: Option<String>,
    /// How many of the latest events to begin with. Default: none.
    pub history: Option<u32>,
    /// The longest that the stream may last; then it fails with [`Error::Timeout`](crate::Error::Timeout). Default:
    /// without end.
    pub timeout: Option<Duration>,
    /// How many failures in a row to connect are waited out; the next one is given out, and the stream can be asked again.
    /// Default: as many as come, once there was a connection.
    pub max_retries: Option<u32>,
    /// Headers to send with each request; one of the client's of the same name is left out.
    pub headers: Vec<(String, String)>,
}
