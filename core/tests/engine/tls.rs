//! Whom a client trusts, who it says it is, and what it says when either is refused.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::common::{PROJECT, call, text};
use loki_mode_core::{Client, Error, ErrorKind, Options, Token};

/// An authority of the test's own and a folder for PEM files, which goes with it.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

/// A certificate and its key.
struct Identity {
    certificate: String,
    key: String,
}

impl Authority {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::SeqCst);
        let folder = std::env::temp_dir().join(format!("loki-mode-tls-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("Authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority { issuer, folder }
    }

    fn issue(&self, params: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    fn for_host(&self, host: &str) -> Identity {
        self.issue(CertificateParams::new([host.to_owned()]).unwrap())
    }

    fn file(&self, name: &str, text: &str) -> Option<String> {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        Some(path.to_str().unwrap().to_owned())
    }

    fn ca_file(&self) -> Option<String> {
        self.file("ca.pem", &self.issuer.pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// What a server shows and asks for; with `clients`, those must be vouched for by one of these authorities.
fn server_config(identity: &Identity, clients: Option<RootCertStore>) -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Some(roots) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
    Arc::new(builder.with_single_cert(chain, key).unwrap())
}

/// Serves projects over TLS.
fn serve(identity: &Identity, clients: Option<RootCertStore>) -> Options {
    let config = server_config(identity, clients);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base_url = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let session = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = StreamOwned::new(session, stream.unwrap());
            thread::spawn(move || {
                // One whole request in each read; a handshake that fails ends it.
                while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {
                    let answer = text(200, "content-type: application/json\r\n", PROJECT);
                    if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
                        return;
                    }
                }
                // What a refusal says has to arrive before the connection goes.
                let _ = stream.sock.read(&mut [0; 4096]);
            });
        }
    });
    Options { base_url, max_retries: 0, ..Options::default() }
}

fn get(options: Options) -> Result<(), Error> {
    let client = Client::new(options)?;
    call(&client, "get_project", "[1]")?;
    // Once more, on the same connection.
    call(&client, "get_project", "[1]").map(drop)
}

fn refusal(options: Options) -> String {
    let error = get(options).unwrap_err();
    assert_eq!((error.kind(), error.info().attempts), (ErrorKind::Connection, 1), "{error}");
    error.to_string()
}

#[test]
fn an_authority_of_ones_own_is_trusted_beside_the_others() {
    let authority = Authority::new();
    let options = serve(&authority.for_host("127.0.0.1"), None);
    for system_roots in [false, true] {
        let text = refusal(Options { system_roots, ..options.clone() });
        assert!(text.contains("ca_file"), "{text}");
        get(Options { system_roots, ca_file: authority.ca_file(), ..options.clone() }).unwrap();
    }
    let error = refusal(Options { ca_file: Authority::new().ca_file(), ..options });
    assert!(error.contains("unknown issuer"), "{error}");
}

#[test]
fn a_certificate_is_refused_with_the_reason() {
    let authority = Authority::new();
    let ca_file = authority.ca_file();
    let trusting = |identity: &Identity| Options { ca_file: ca_file.clone(), ..serve(identity, None) };
    let text = refusal(trusting(&authority.for_host("other.example")));
    assert!(text.contains("is for another host"), "{text}");

    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2001, 1, 1);
    params.not_after = date_time_ymd(2002, 1, 1);
    let text = refusal(trusting(&authority.issue(params.clone())));
    assert!(text.contains("has expired"), "{text}");

    params.not_before = date_time_ymd(3001, 1, 1);
    params.not_after = date_time_ymd(3002, 1, 1);
    let text = refusal(trusting(&authority.issue(params)));
    assert!(text.contains("not valid yet"), "{text}");

    let alone = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let alone = Identity { certificate: alone.cert.pem(), key: alone.signing_key.serialize_pem() };
    let text = refusal(trusting(&alone));
    assert!(text.contains("unknown issuer") && text.contains("ca_file"), "{text}");
}

#[test]
fn a_server_without_tls_is_recognised() {
    let server = crate::common::Server::new(|_| crate::common::json(200, PROJECT));
    let base_url = server.base_url.replace("http:", "https:");
    let error = get(Options { base_url, max_retries: 0, ..Options::default() }).unwrap_err();
    assert_eq!((error.kind(), error.info().maybe_executed), (ErrorKind::Connection, Some(false)), "{error}");
}

#[test]
fn a_client_certificate_is_shown_where_the_server_asks_for_one() {
    let authority = Authority::new();
    let identity = authority.for_host("client");
    let options = serve(&authority.for_host("127.0.0.1"), Some(authority.roots()));
    let options = Options { ca_file: authority.ca_file(), ..options };
    let with = |certificate: &str, key: &str| Options {
        client_cert_file: authority.file("client.pem", certificate),
        client_key_file: authority.file("client.key", key),
        ..options.clone()
    };
    get(with(&identity.certificate, &identity.key)).unwrap();

    let text = get(options.clone()).unwrap_err().to_string();
    assert!(text.contains("client_cert_file"), "{text}");

    let stranger = Authority::new().for_host("client");
    let text = get(with(&stranger.certificate, &stranger.key)).unwrap_err().to_string();
    assert!(text.contains("client_cert_file"), "{text}");

    // The key of another certificate, and no key at all, are noticed before anything is sent.
    for key in [&stranger.key, "no key"] {
        let error = get(with(&identity.certificate, key)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "{error}");
        assert!(error.to_string().contains("client_key_file"), "{error}");
    }
}

/// Reads the head of a request, and nothing beyond it.
fn head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// Takes one connection; opens a tunnel on it, if it is to be one; serves a project over TLS within. The heads come out.
fn proxy_for_one(identity: &Identity, tunnel: bool) -> (u16, Receiver<String>) {
    let config = server_config(identity, None);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        if tunnel {
            sender.send(head(&mut stream)).unwrap();
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        }
        let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
        sender.send(head(&mut stream)).unwrap();
        let answer = text(200, "content-type: application/json\r\n", PROJECT);
        stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).unwrap();
    });
    (port, heads)
}

#[test]
fn a_tunnel_gets_the_credentials_of_the_proxy_and_the_server_behind_it_does_not() {
    let authority = Authority::new();
    let (port, heads) = proxy_for_one(&authority.for_host("control.invalid"), true);
    let client = Client::new(Options {
        base_url: "https://control.invalid:57374".to_owned(),
        proxy: Some(format!("http://user:secret@127.0.0.1:{port}")),
        ca_file: authority.ca_file(),
        token: Some(Token::new("loki_token")),
        max_retries: 0,
        ..Options::default()
    });
    call(&client.unwrap(), "get_project", "[1]").unwrap();
    let (connect, request) = (heads.recv().unwrap(), heads.recv().unwrap());
    assert!(connect.starts_with("CONNECT control.invalid:57374 HTTP/1.1\r\n"), "{connect}");
    // user:secret
    assert!(connect.contains("\r\nProxy-Authorization: Basic dXNlcjpzZWNyZXQ=\r\n"), "{connect}");
    assert!(!connect.contains("loki_token"), "{connect}");
    assert!(request.starts_with("GET /api/projects/1 HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("authorization: Bearer loki_token\r\n"), "{request}");
    assert!(!request.to_lowercase().contains("proxy-") && !request.contains("dXNlcjpzZWNyZXQ"), "{request}");
}

#[test]
fn a_proxy_that_is_itself_https_is_spoken_to_over_tls() {
    let authority = Authority::new();
    let client = |port| {
        let options = Options {
            base_url: "http://control.invalid".to_owned(),
            proxy: Some(format!("https://127.0.0.1:{port}")),
            ca_file: authority.ca_file(),
            max_retries: 0,
            ..Options::default()
        };
        Client::new(options).unwrap()
    };
    let (port, heads) = proxy_for_one(&authority.for_host("127.0.0.1"), false);
    call(&client(port), "get_project", "[1]").unwrap();
    let head = heads.recv().unwrap();
    assert!(head.starts_with("GET http://control.invalid/api/projects/1 HTTP/1.1\r\n"), "{head}");

    let Options { base_url, .. } = serve(&authority.for_host("other.test"), None);
    let port = base_url.rsplit(':').next().unwrap().parse().unwrap();
    let problem = call(&client(port), "get_project", "[1]").unwrap_err().to_string();
    let expected =
        format!("no TLS connection to the proxy 127.0.0.1:{port}: the server's certificate is for another");
    assert!(problem.contains(&expected), "{problem}");
}
