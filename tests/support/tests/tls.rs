//! The TLS variants, as the engine meets them.

use loki_mode_core::{CallOptions, Client, Error, ErrorKind, Options};
use loki_mode_test_support::{FaultServer, Pki, Reply, TlsVariant};
use serde_json::{Value, json};

fn start(replies: Value, pki: &Pki, variant: TlsVariant) -> FaultServer {
    let replies: Vec<Reply> = serde_json::from_value(replies).expect("replies of the README");
    FaultServer::start_tls(replies, pki, variant).expect("a loopback port is free")
}

fn options(server: &FaultServer, pki: &Pki) -> Options {
    Options {
        base_url: server.base_url().to_owned(),
        ca_file: Some(pki.ca_file().display().to_string()),
        max_retries: 0,
        ..Options::default()
    }
}

fn status(client: &Client) -> Result<String, Error> {
    let operation = loki_mode_spec::operation("get_status").expect("it is in the table");
    let args = loki_mode_core::Args::new(operation, Vec::new()).expect("it takes none");
    let response = client.execute(operation, args, &CallOptions::default())?;
    Ok(response.payload()?.to_owned())
}

#[track_caller]
fn refusal(options: Options) -> String {
    let error = status(&Client::new(options).expect("the files are there")).expect_err("it must be refused");
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    assert_eq!(error.info().maybe_executed, Some(false), "{error}");
    error.to_string()
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted_and_connections_are_kept() {
    let pki = Pki::new().unwrap();
    let server = start(json!([{"json": {"a": 1}, "repeat": 3}]), &pki, TlsVariant::Valid);
    assert!(server.base_url().starts_with("https://127.0.0.1:"));
    let client = Client::new(options(&server, &pki)).unwrap();
    for _ in 0..2 {
        assert_eq!(status(&client).unwrap(), r#"{"a":1}"#);
    }
    let connections: Vec<_> = server.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 1]);
    let by_name = server.base_url().replace("127.0.0.1", "localhost");
    let client = Client::new(Options { base_url: by_name, ..options(&server, &pki) }).unwrap();
    assert_eq!(status(&client).unwrap(), r#"{"a":1}"#);
}

#[test]
fn bad_certificates_are_refused_and_the_message_says_why() {
    let pki = Pki::new().unwrap();
    for (variant, why) in [
        (TlsVariant::WrongHost, "is for another host"),
        (TlsVariant::Expired, "has expired"),
        (TlsVariant::SelfSigned, "unknown issuer"),
    ] {
        let server = start(json!([{"json": {}}]), &pki, variant);
        let message = refusal(options(&server, &pki));
        assert!(message.contains(why), "{variant:?}: {message}");
        assert_eq!(server.requests().len(), 0);
    }
    let server = start(json!([{"json": {}}]), &pki, TlsVariant::Valid);
    let message = refusal(Options { ca_file: None, ..options(&server, &pki) });
    assert!(message.contains("unknown issuer"), "{message}");
}

#[test]
fn a_client_can_be_made_to_show_a_certificate() {
    let pki = Pki::new().unwrap();
    let server = start(json!([{"json": {"a": 1}}]), &pki, TlsVariant::ClientCertificate);
    let error = status(&Client::new(options(&server, &pki)).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection, "{error}");
    assert_eq!(server.requests().len(), 0);
    let client = Client::new(Options {
        client_cert_file: Some(pki.client_cert_file().display().to_string()),
        client_key_file: Some(pki.client_key_file().display().to_string()),
        ..options(&server, &pki)
    });
    assert_eq!(status(&client.unwrap()).unwrap(), r#"{"a":1}"#);
}

#[test]
fn faults_come_through() {
    let pki = Pki::new().unwrap();
    for faults in [
        json!({"cut_after": 20}),
        json!({"cut_after": 0}),
        json!({"reset_after": 20}),
        json!({"read_then_close": true}),
        json!({"chunked": "truncated"}),
        json!({"garbage": true}),
    ] {
        let server = start(json!([{"json": {}, "faults": faults}]), &pki, TlsVariant::Valid);
        let error = status(&Client::new(options(&server, &pki)).unwrap()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Connection, "{faults}: {error}");
        assert_eq!(error.info().maybe_executed, Some(true), "{faults}: {error}");
    }
    let server = start(json!([{"json": {"a": 1}, "faults": {"drip_ms": 1}}]), &pki, TlsVariant::Valid);
    assert_eq!(status(&Client::new(options(&server, &pki)).unwrap()).unwrap(), r#"{"a":1}"#);
}

#[test]
fn the_files_go_with_the_authority() {
    let pki = Pki::new().unwrap();
    let file = pki.ca_file();
    assert!(file.exists());
    drop(pki);
    assert!(!file.exists());
}
