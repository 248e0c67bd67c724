//! The servers for other languages: one JSON command per line in, one JSON answer per line out; the commands stand in
//! the README. A command that cannot be done answers `{"error": ".."}`. The end of the input ends it all.

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    FaultProxy, FaultProxySetup, FaultServer, HttpProxy, HttpProxySetup, Pki, Reply, TlsVariant,
    refused_base_url,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Command {
    serve: Option<Vec<Reply>>,
    serve_connections: Option<Vec<Vec<Reply>>>,
    tls: Option<TlsVariant>,
    http_proxy: Option<HttpProxySetup>,
    proxy: Option<FaultProxySetup>,
    #[serde(default)]
    refuse: bool,
    #[serde(default)]
    recorded: bool,
    #[serde(default)]
    stop: bool,
    #[serde(default)]
    name: String,
}

/// What runs under a name.
#[derive(Debug)]
enum Running {
    Server(FaultServer),
    HttpProxy(HttpProxy),
    FaultProxy(FaultProxy),
}

#[derive(Debug, Default)]
struct Control {
    running: HashMap<String, Running>,
    /// Made when TLS is first asked for: it takes its time.
    pki: Option<Pki>,
}

/// Obeys commands until the input ends.
///
/// # Errors
/// Input or output fails.
pub fn run(input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    let mut control = Control::default();
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = control.obey(&line).unwrap_or_else(|error| json!({ "error": error }));
        writeln!(output, "{answer}")?;
        output.flush()?;
    }
    Ok(())
}

impl Control {
    fn obey(&mut self, line: &str) -> Result<Value, String> {
        let command: Command = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let name = command.name;
        if let Some(script) = command.serve {
            if let Some(variant) = command.tls {
                return self.serve_tls(name, script, variant);
            }
            let server = FaultServer::start(script).map_err(|error| error.to_string())?;
            Ok(self.run_server(name, server))
        } else if let Some(scripts) = command.serve_connections {
            let server = FaultServer::start_per_connection(scripts).map_err(|error| error.to_string())?;
            Ok(self.run_server(name, server))
        } else if let Some(setup) = command.http_proxy {
            let proxy = HttpProxy::start(setup).map_err(|error| error.to_string())?;
            let answer = json!({ "proxy_url": proxy.url() });
            self.running.insert(name, Running::HttpProxy(proxy));
            Ok(answer)
        } else if let Some(setup) = command.proxy {
            let proxy = FaultProxy::start(setup).map_err(|error| error.to_string())?;
            let answer = json!({ "base_url": proxy.base_url() });
            self.running.insert(name, Running::FaultProxy(proxy));
            Ok(answer)
        } else if command.refuse {
            refused_base_url().map(|url| json!({ "base_url": url })).map_err(|error| error.to_string())
        } else if command.recorded {
            Ok(match self.running.get(&name).ok_or_else(|| missing(&name))? {
                Running::Server(server) => {
                    json!({ "requests": server.requests(), "remaining": server.remaining() })
                }
                Running::HttpProxy(proxy) => json!({ "requests": proxy.requests() }),
                Running::FaultProxy(proxy) => {
                    let (exchanges, faults) = proxy.counts();
                    json!({ "exchanges": exchanges, "faults": faults })
                }
            })
        } else if command.stop {
            self.running.remove(&name).ok_or_else(|| missing(&name))?;
            Ok(json!({ "stopped": true }))
        } else {
            Err("a command is one of `serve`, `serve_connections`, `http_proxy`, `proxy`, `refuse`, `recorded`, `stop`"
                .to_owned())
        }
    }

    fn run_server(&mut self, name: String, server: FaultServer) -> Value {
        let answer = json!({ "base_url": server.base_url() });
        self.running.insert(name, Running::Server(server));
        answer
    }

    fn serve_tls(&mut self, name: String, script: Vec<Reply>, variant: TlsVariant) -> Result<Value, String> {
        let pki = match &mut self.pki {
            Some(pki) => pki,
            empty => empty.insert(Pki::new().map_err(|error| error.to_string())?),
        };
        let server = FaultServer::start_tls(script, pki, variant).map_err(|error| error.to_string())?;
        let files = [
            ("ca_file", pki.ca_file()),
            ("client_cert_file", pki.client_cert_file()),
            ("client_key_file", pki.client_key_file()),
        ];
        let mut answer = self.run_server(name, server);
        for (key, path) in files {
            answer[key] = json!(path);
        }
        Ok(answer)
    }
}

fn missing(name: &str) -> String {
    format!("nothing named {name:?} is running")
}
