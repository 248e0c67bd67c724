//! The command line: what it prints, how it ends, what it refuses.

mod common;

use std::process::Command;
use std::thread;
use std::time::Duration;

use common::{Caller, Program};
use serde_json::Value;

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_loki-control-plane"))
}

#[test]
fn bad_options_are_explained() {
    for (arguments, said) in [
        (&["--profile", "v6"][..], "unknown profile \"v6\""),
        (&["--port", "70000"], "70000"),
        (&["--token", "a b"], "visible ASCII"),
        (&["--nonsense"], "--nonsense"),
        (&["--demo", "--demo-speed", "0"], "factor"),
    ] {
        let output = command().args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(said), "{arguments:?}: {message}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let program = Program::start(&[]);
    let port = program.caller.address.rsplit(':').next().unwrap();
    let output = command().args(["--port", port]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8(output.stderr).unwrap().contains(&format!("cannot listen on 127.0.0.1:{port}"))
    );
    let output = command().args(["--port", "0", "--data", "/nowhere/at/all.db"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("/nowhere/at/all.db"));
    assert!(output.stdout.is_empty(), "no URL of a server that is not there");
}

#[test]
fn help_and_version() {
    let help = command().arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    for option in
        ["--host", "--port", "--token", "--no-auth", "--data", "--profile", "--seed", "--demo", "Examples"]
    {
        assert!(text.contains(option), "{option}");
    }
    assert!(command().arg("--version").output().unwrap().status.success());
}

#[cfg(unix)]
#[test]
fn signals_end_it_cleanly() {
    for signal in ["-TERM", "-INT"] {
        let mut program = Program::start(&["--demo"]);
        // A connection that is open does not hold it up.
        let _idle = program.caller.connect();
        let id = program.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(program.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn auth_follows_the_options() {
    let open = Program::start(&[]);
    assert_eq!(open.caller.get("/api/runs").status, 200);
    let closed = Program::start(&["--token", "loki_t"]);
    assert_eq!(closed.caller.get("/api/runs").status, 401);
    assert_eq!(closed.caller.with_token("loki_t").get("/api/runs").status, 200);
    let off = Program::start(&["--token", "loki_t", "--no-auth"]);
    assert_eq!(off.caller.get("/api/runs").status, 200);
}

fn wait_for(caller: &Caller, path: &str, what: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let value = caller.get(path).json();
        if what(&value) {
            return value;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("{path} did not come to what was waited for");
}

#[test]
fn the_demo_keeps_runs_moving() {
    let program = Program::start(&["--demo", "--demo-speed", "50"]);
    let runs = wait_for(&program.caller, "/api/runs?status=completed", |runs| {
        runs.as_array().unwrap().iter().any(|run| run["trigger"] == "demo")
    });
    let run = runs.as_array().unwrap().iter().find(|run| run["trigger"] == "demo").unwrap();
    let events = program.caller.get(&format!("/api/runs/{}/timeline", run["id"])).json();
    let phases: Vec<_> = events
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["event_type"] == "phase_start")
        .map(|event| event["phase"].as_str().unwrap())
        .collect();
    assert_eq!(phases, ["REASON", "ACT", "REFLECT", "VERIFY"]);
    assert_eq!(events.as_array().unwrap().last().unwrap()["event_type"], "run_completed");
    let newest = run["id"].as_i64().unwrap();
    wait_for(&program.caller, "/api/runs", |runs| runs[0]["id"].as_i64().unwrap() > newest);
}
