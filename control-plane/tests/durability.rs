//! What was acknowledged is there, whatever happens to the process.

mod common;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::{Caller, DataFile, Program};
use loki_control_plane::Profile;

/// Posts projects until the server is gone; how many were acknowledged goes out one by one.
fn write_until_killed(caller: &Caller, writer: usize, acknowledged: &mpsc::Sender<String>) {
    for number in 0.. {
        let name = format!("{writer}-{number}");
        let request = caller.request(
            "POST",
            "/api/projects",
            "Content-Type: application/json\r\nConnection: close\r\n",
            &format!("{{\"name\":\"{name}\"}}"),
        );
        let mut answer = String::new();
        let outcome = TcpStream::connect(&caller.address).and_then(|mut stream| {
            stream.write_all(request.as_bytes())?;
            stream.read_to_string(&mut answer)
        });
        if outcome.is_err() || !answer.starts_with("HTTP/1.1 201") {
            return;
        }
        acknowledged.send(name).expect("the test listens");
    }
}

#[test]
fn kill_9_loses_no_acknowledged_write() {
    const ROUNDS: usize = 3;
    let file = DataFile::new();
    let path = file.0.to_str().unwrap();
    let mut names = Vec::new();
    for round in 0..ROUNDS {
        let mut program = Program::start(&["--data", path]);
        let (sender, receiver) = mpsc::channel();
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let (caller, sender) = (program.caller.clone(), sender.clone());
                thread::spawn(move || write_until_killed(&caller, round * 10 + writer, &sender))
            })
            .collect();
        drop(sender);
        // In the midst of writing: after some tens of acknowledgements, while others are under way.
        names.extend(receiver.iter().take(40));
        program.child.kill().unwrap();
        program.child.wait().unwrap();
        for writer in writers {
            writer.join().unwrap();
        }
        names.extend(receiver.iter());
    }
    assert!(names.len() >= 40 * ROUNDS);
    let program = Program::start(&["--data", path]);
    let listed = program.caller.get("/api/projects").json();
    let listed: std::collections::HashSet<_> =
        listed.as_array().unwrap().iter().map(|project| project["name"].as_str().unwrap()).collect();
    for name in &names {
        assert!(listed.contains(name.as_str()), "{name} was acknowledged and is lost");
    }
    let verdict = program.caller.get("/api/audit/verify").json();
    assert_eq!(verdict["valid"], true);
    assert!(verdict["entries_checked"].as_u64().unwrap() >= names.len() as u64, "every write has its entry");
}

#[test]
fn a_second_writer_waits() {
    let file = DataFile::new();
    let (_one, first) = file.server(Profile::Guide);
    let (_two, second) = file.server(Profile::Guide);
    let blocker = rusqlite::Connection::open(&file.0).unwrap();
    blocker.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = thread::spawn({
        let first = first.clone();
        move || first.create("/api/projects", "{\"name\":\"waited\"}")
    });
    thread::sleep(Duration::from_millis(200));
    assert!(!waiting.is_finished(), "it waits for the lock");
    blocker.execute_batch("COMMIT").unwrap();
    assert_eq!(waiting.join().unwrap()["name"], "waited");
    let writers: Vec<_> = [first.clone(), second]
        .into_iter()
        .map(|caller| {
            thread::spawn(move || {
                for _ in 0..20 {
                    caller.create("/api/projects", "{\"name\":\"p\"}");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    assert_eq!(first.get("/api/projects").json().as_array().unwrap().len(), 41);
    assert_eq!(first.get("/api/audit/verify").json()["valid"], true);
}
