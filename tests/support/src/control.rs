//! The server for other languages: one JSON command per line in, one JSON answer per line out.
//!
//! `{"serve": [reply, ..], "name"?: ".."}` starts a server, in place of an earlier one of that name, and answers
//! `{"base_url": ".."}`; `{"refuse": true}` answers the base URL of a port where nobody listens; `{"recorded": true,
//! "name"?: ".."}` answers `{"requests": [..], "remaining": n}`; `{"stop": true, "name"?: ".."}` stops that server and
//! answers `{"stopped": true}`. A command that cannot be done answers `{"error": ".."}`. The end of the input ends it all.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{FaultServer, Reply, refused_base_url};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    serve: Option<Vec<Reply>>,
    #[serde(default)]
    refuse: bool,
    #[serde(default)]
    recorded: bool,
    #[serde(default)]
    stop: bool,
    #[serde(default)]
    name: String,
}

/// Obeys commands until the input ends.
///
/// # Errors
/// Input or output fails.
pub fn run(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut servers = HashMap::new();
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = obey(&line, &mut servers).unwrap_or_else(|error| json!({ "error": error }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

fn obey(line: &str, servers: &mut HashMap<String, FaultServer>) -> Result<Value, String> {
    let command: Command = serde_json::from_str(line).map_err(|error| error.to_string())?;
    let name = command.name;
    if let Some(script) = command.serve {
        let server = FaultServer::start(script).map_err(|error| error.to_string())?;
        let answer = json!({ "base_url": server.base_url() });
        servers.insert(name, server);
        Ok(answer)
    } else if command.refuse {
        refused_base_url().map(|url| json!({ "base_url": url })).map_err(|error| error.to_string())
    } else if command.recorded {
        let server = servers.get(&name).ok_or_else(|| format!("no server named {name:?} is running"))?;
        Ok(json!({ "requests": server.requests(), "remaining": server.remaining() }))
    } else if command.stop {
        servers.remove(&name).ok_or_else(|| format!("no server named {name:?} is running"))?;
        Ok(json!({ "stopped": true }))
    } else {
        Err("a command is one of `serve`, `refuse`, `recorded`, `stop`".to_owned())
    }
}
