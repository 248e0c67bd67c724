//! Calls that share one thread.

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use crate::common::{PROJECT, Reply, Server, call, call_with, json, text};
use loki_mode_core::fibers::{Fibers, current_id, step_aside};
use loki_mode_core::waiting::{Gone, oneshot};
use loki_mode_core::{CallOptions, CancelToken, Client, ErrorKind, Options};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Long enough to be the failure of the test, not its pace.
const PATIENCE: Duration = Duration::from_secs(60);

/// What an event loop does, until no fiber waits any more.
fn run(fibers: &Fibers) {
    let until = Instant::now() + PATIENCE;
    while fibers.waiting() > 0 {
        assert!(Instant::now() < until, "{fibers:?}");
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        poll(&mut [PollFd::from_borrowed_fd(fibers.fd(), PollFlags::IN)], Some(&second)).unwrap();
        fibers.run();
    }
}

/// The outcomes of fibers, in the order in which they ended.
type Outcomes<T> = Rc<RefCell<Vec<T>>>;

fn push<T>(outcomes: &Outcomes<T>) -> impl FnOnce(T) + 'static
where
    T: 'static,
{
    let outcomes = Rc::clone(outcomes);
    move |outcome| outcomes.borrow_mut().push(outcome)
}

/// A server that has not a word for anybody.
fn silent() -> Server {
    Server::new(|_| Reply::Silence)
}

/// The kind of the error of a call on a fiber that is cancelled once the server has seen so many requests.
fn cancelled(client: &Client, server: &Server, requests: usize) -> ErrorKind {
    let (fibers, outcomes) = (Fibers::new(8).unwrap(), Outcomes::default());
    let (cancel, client, done) = (CancelToken::new(), client.clone(), push(&outcomes));
    let token = cancel.clone();
    fibers
        .spawn(move || {
            let options = CallOptions { cancel: Some(token), ..CallOptions::default() };
            done(call_with(&client, "get_project", "[1]", &options).unwrap_err().kind());
        })
        .unwrap();
    let mut seen = 0;
    while seen < requests {
        seen += server.requests().len();
        fibers.run();
    }
    assert_eq!(fibers.waiting(), 1);
    let from_elsewhere = thread::spawn(move || cancel.cancel());
    let began = Instant::now();
    run(&fibers);
    from_elsewhere.join().unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    outcomes.take()[0]
}

#[test]
fn calls_wait_side_by_side_on_one_thread() {
    const CALLS: usize = 20;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    // None is answered before all are here.
    let server = thread::spawn(move || {
        let mut streams: Vec<_> = listener.incoming().take(CALLS).map(Result::unwrap).collect();
        for stream in &mut streams {
            assert!(stream.read(&mut [0; 4096]).unwrap() > 0);
        }
        for stream in &mut streams {
            stream.write_all(text(200, "content-type: application/json\r\n", PROJECT).as_bytes()).unwrap();
        }
    });
    let client = Client::new(Options { base_url, ..Options::default() }).unwrap();
    let (fibers, outcomes) = (Fibers::new(CALLS).unwrap(), Outcomes::default());
    for id in 0..CALLS {
        let (client, done) = (client.clone(), push(&outcomes));
        fibers
            .spawn(move || {
                let here = thread::current().id();
                let status = call(&client, "get_project", &format!("[{id}]")).unwrap().status;
                assert_eq!(thread::current().id(), here);
                done(status);
            })
            .unwrap();
    }
    run(&fibers);
    assert_eq!(*outcomes.borrow(), [200; CALLS]);
    server.join().unwrap();
}

#[test]
fn a_call_ends_at_its_deadline_and_the_others_go_on() {
    let (slow, quick) = (silent(), Server::new(|_| json(200, PROJECT)));
    let (fibers, outcomes) = (Fibers::new(2).unwrap(), Outcomes::default());
    for (server, timeout) in [(&slow, Duration::from_millis(200)), (&quick, PATIENCE)] {
        let (client, done) = (server.client(), push(&outcomes));
        fibers
            .spawn(move || {
                let options = CallOptions { timeout: Some(timeout), ..CallOptions::default() };
                let outcome = call_with(&client, "get_project", "[1]", &options);
                done(outcome.map(|response| response.status).map_err(|error| error.kind()));
            })
            .unwrap();
    }
    run(&fibers);
    assert_eq!(*outcomes.borrow(), [Ok(200), Err(ErrorKind::Timeout)]);
}

#[test]
fn cancelling_ends_whatever_a_call_waits_for() {
    let server = silent();
    assert_eq!(cancelled(&server.client(), &server, 1), ErrorKind::Cancelled, "the answer");

    let one = Client::new(Options { max_connections: 1, ..server.options() }).unwrap();
    let (first, stop) = (one.clone(), CancelToken::new());
    let held = CallOptions { cancel: Some(stop.clone()), ..CallOptions::default() };
    let holder = thread::spawn(move || call_with(&first, "get_project", "[1]", &held).unwrap_err().kind());
    while server.requests().is_empty() {
        thread::yield_now();
    }
    assert_eq!(cancelled(&one, &server, 0), ErrorKind::Cancelled, "a connection");
    stop.cancel();
    assert_eq!(holder.join().unwrap(), ErrorKind::Cancelled);

    let busy = Server::new(|_| {
        let headers = "content-type: application/json\r\nretry-after: 20\r\n";
        Reply::Send(text(503, headers, r#"{"detail":"busy"}"#))
    });
    assert_eq!(cancelled(&busy.client(), &busy, 1), ErrorKind::Cancelled, "the next attempt");
}

#[test]
fn those_beyond_the_places_wait_unless_one_steps_aside() {
    let (fibers, order) = (Fibers::new(1).unwrap(), Outcomes::default());
    let word = Rc::new(Cell::new(None));
    let (first, second) = (push(&order), push(&order));
    let said = Rc::clone(&word);
    fibers
        .spawn(move || {
            let (sender, receiver) = oneshot();
            said.set(Some(sender));
            let answer = step_aside(|| {
                loop {
                    if let Some(answer) = receiver.wait(PATIENCE).unwrap() {
                        return answer;
                    }
                }
            });
            first(answer);
        })
        .unwrap();
    // The only place is another's now.
    fibers
        .spawn(move || {
            let sender: loki_mode_core::waiting::Sender<&str> = word.take().unwrap();
            second("second");
            sender.send("first");
        })
        .unwrap();
    run(&fibers);
    assert_eq!(*order.borrow(), ["second", "first"]);

    let order = Outcomes::default();
    let server = silent();
    for name in ["first", "second"] {
        let (client, done) = (server.client(), push(&order));
        fibers
            .spawn(move || {
                let options =
                    CallOptions { timeout: Some(Duration::from_millis(100)), ..CallOptions::default() };
                call_with(&client, "get_project", "[1]", &options).unwrap_err();
                done(name);
            })
            .unwrap();
    }
    run(&fibers);
    assert_eq!(*order.borrow(), ["first", "second"]);
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_value_comes_from_another_thread_or_never() {
    let (fibers, outcomes) = (Fibers::new(2).unwrap(), Outcomes::default());
    for sends in [true, false] {
        let done = push(&outcomes);
        fibers
            .spawn(move || {
                let (sender, receiver) = oneshot();
                let other = thread::spawn(move || if sends { sender.send(7) } else { drop(sender) });
                let outcome = loop {
                    match receiver.wait(PATIENCE) {
                        Ok(None) => {}
                        Ok(Some(value)) => break Ok(value),
                        Err(gone) => break Err(gone),
                    }
                };
                other.join().unwrap();
                done((sends, outcome));
            })
            .unwrap();
    }
    run(&fibers);
    let mut outcomes = outcomes.take();
    outcomes.sort_unstable_by_key(|(sends, _)| *sends);
    assert_eq!(outcomes, [(false, Err(Gone)), (true, Ok(7))]);
}

#[test]
fn one_that_panics_leaves_its_place_to_the_others() {
    let (fibers, outcomes) = (Fibers::new(1).unwrap(), Outcomes::default());
    fibers.spawn(|| panic!("on purpose")).unwrap();
    let (server, done) = (Server::new(|_| json(200, PROJECT)), push(&outcomes));
    let client = server.client();
    fibers.spawn(move || done(call(&client, "get_project", "[1]").unwrap().status)).unwrap();
    run(&fibers);
    assert_eq!(*outcomes.borrow(), [200]);
}

#[test]
fn those_that_still_wait_are_unwound_with_their_thread() {
    struct Dropped(Rc<Cell<bool>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.set(true);
        }
    }
    let (server, dropped) = (silent(), Rc::new(Cell::new(false)));
    let (client, flag) = (server.client(), Dropped(Rc::clone(&dropped)));
    let fibers = Fibers::new(1).unwrap();
    fibers
        .spawn(move || {
            let _flag = flag;
            assert!(current_id().is_some());
            drop(call(&client, "get_project", "[1]"));
        })
        .unwrap();
    assert_eq!((fibers.waiting(), dropped.get()), (1, false));
    drop(fibers);
    assert!(dropped.get());
    assert_eq!(current_id(), None);
}
