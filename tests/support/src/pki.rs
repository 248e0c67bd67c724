//! Certificates for tests: an authority of our own, and good and bad leaves.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde::Deserialize;

/// What is right or wrong with a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TlsVariant {
    /// Issued by the authority for `127.0.0.1` and `localhost`.
    Valid,
    /// Issued by the authority, for another host.
    WrongHost,
    /// Issued by the authority, no longer valid.
    Expired,
    /// Issued by itself.
    SelfSigned,
    /// As `Valid`; a client has to show a certificate of the authority.
    ClientCertificate,
}

/// An authority and what it has issued to clients, as PEM files in a directory of their own that goes with it.
#[derive(Debug)]
pub struct Pki {
    directory: tempfile::TempDir,
    authority: Issuer<'static, KeyPair>,
    authority_der: CertificateDer<'static>,
}

impl Pki {
    /// Makes an authority and a client's certificate.
    ///
    /// # Errors
    /// The files cannot be written.
    pub fn new() -> io::Result<Self> {
        let key = key()?;
        let mut params = params("Test authority", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).map_err(io::Error::other)?;
        let pki = Pki {
            directory: tempfile::tempdir()?,
            authority_der: certificate.der().clone(),
            authority: Issuer::new(params, key),
        };
        std::fs::write(pki.ca_file(), certificate.pem())?;
        let (client, client_key) = pki.issue("Test client", &[], |params| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        })?;
        std::fs::write(pki.client_cert_file(), client.pem())?;
        std::fs::write(pki.client_key_file(), client_key.serialize_pem())?;
        Ok(pki)
    }

    /// The authority's certificate.
    pub fn ca_file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A client's certificate.
    pub fn client_cert_file(&self) -> PathBuf {
        self.path("client.pem")
    }

    /// The private key of the client's certificate.
    pub fn client_key_file(&self) -> PathBuf {
        self.path("client.key")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.directory.path()).join(name)
    }

    fn issue(
        &self,
        name: &str,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> io::Result<(rcgen::Certificate, KeyPair)> {
        let key = key()?;
        let mut params = params(name, hosts)?;
        change(&mut params);
        let certificate = params.signed_by(&key, &self.authority).map_err(io::Error::other)?;
        Ok((certificate, key))
    }

    /// How a server of this kind does TLS.
    pub(crate) fn server_config(&self, variant: TlsVariant) -> io::Result<Arc<ServerConfig>> {
        const HERE: &[&str] = &["127.0.0.1", "localhost"];
        let for_servers = |params: &mut CertificateParams| {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        };
        let (leaf, key) = match variant {
            TlsVariant::Valid | TlsVariant::ClientCertificate => {
                self.issue("Test server", HERE, for_servers)?
            }
            TlsVariant::WrongHost => self.issue("Test server", &["elsewhere.example"], for_servers)?,
            TlsVariant::Expired => self.issue("Test server", HERE, |params| {
                for_servers(params);
                params.not_before = date_time_ymd(2001, 1, 1);
                params.not_after = date_time_ymd(2002, 1, 1);
            })?,
            TlsVariant::SelfSigned => {
                let key = key()?;
                (params("Test server", HERE)?.self_signed(&key).map_err(io::Error::other)?, key)
            }
        };
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = if variant == TlsVariant::ClientCertificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.authority_der.clone()).map_err(io::Error::other)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(io::Error::other)?)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        builder.with_single_cert(vec![leaf.der().clone()], key).map(Arc::new).map_err(io::Error::other)
    }
}

fn key() -> io::Result<KeyPair> {
    KeyPair::generate().map_err(io::Error::other)
}

fn params(name: &str, hosts: &[&str]) -> io::Result<CertificateParams> {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).map_err(io::Error::other)?;
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params)
}
