use std::time::{Duration, Instant};

use ureq::http::Method;

use super::*;

/// A client whose name service knows these addresses, and the outcome of one call with it.
fn send_to(port: u16, names: &Arc<resolve::Names>) -> Result<Received, Failure> {
    let base_url = format!("http://control.test:{port}");
    let options = Options { base_url, proxy: Some(String::new()), ..Options::default() };
    let base = BaseUrl::parse(&options.base_url).unwrap();
    let http = Http::new(&options, &base).unwrap();
    http.connections.get(|| Connections {
        agents: http.setup.agents(Arc::clone(names)),
        places: Arc::new(Places::new(1)),
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    let limits = Limits { deadline, cancel: None, interrupted: None };
    let url = format!("{}/x", options.base_url);
    let wire = Wire { method: Method::GET, url: &url, authorization: None, headers: [&[], &[]], body: None };
    http.send(&wire, &limits)
}

#[test]
fn a_dead_address_of_a_name_is_passed_over_and_a_name_that_leads_nowhere_is_forgotten() {
    use std::io::Write;

    let (live, dead) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
    let listener = std::net::TcpListener::bind((live, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 4096]).unwrap();
        stream.write_all(b"HTTP/1.1 200 X\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let names = Arc::new(resolve::Names::default());
    names.learn("control.test", vec![dead, live]);
    assert_eq!(send_to(port, &names).map_err(|failure| failure.cause).unwrap().status, 200);
    assert!(names.knows("control.test"));
    server.join().unwrap();

    names.learn("control.test", vec![dead]);
    let failure = send_to(port, &names).map(|received| received.status).unwrap_err();
    assert!(matches!(failure.cause, Cause::Connect(_)), "{failure:?}");
    assert!(!names.knows("control.test"));
}

/// What a fork does to the child, without one.
#[test]
fn connections_of_another_process_are_replaced_and_leaked() {
    let options = Options::default();
    let base = BaseUrl::parse(&options.base_url).unwrap();
    let Http { setup, .. } = Http::new(&options, &base).unwrap();
    let places = Arc::new(Places::new(1));
    let (connections, parents) =
        PerProcess::inherited(Connections { agents: setup.agents(Arc::default()), places });
    let http = Http { setup, connections };
    http.close();
    let ours = http.connections();
    assert!(ours.is_ours());
    assert!(!Arc::ptr_eq(&ours.places, &parents.places));
    assert!(Arc::ptr_eq(&ours, &http.connections()));
    drop(http);
    // Ours and the leaked one: its connections are never closed by this process.
    assert_eq!(Arc::strong_count(&parents), 2);
}
