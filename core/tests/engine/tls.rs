//! Whom a client trusts, who it says it is, and what it says when either is refused.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use crate::common::{PROJECT, call, text};
use loki_mode_core::{Client, Error, ErrorKind, Options};

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

/// Serves projects over TLS; with `clients`, only to those that one of these authorities vouches for.
fn serve(identity: &Identity, clients: Option<RootCertStore>) -> Options {
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
    let config = Arc::new(builder.with_single_cert(chain, key).unwrap());
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
