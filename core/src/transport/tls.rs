//! TLS over a socket or a tunnel, and whom it trusts.
//!
//! ureq's own connector cannot trust a file of certificates beside its bundled roots, only instead of them.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::Arc;

use once_cell::sync::OnceCell;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{AlertDescription, ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, Transport, TransportAdapter,
};

use super::context::{self, Trouble};
use super::forward::Forward;
use crate::config::Options;
use crate::error::Error;

/// Whom to trust and who we are, as read from the files that the options name.
#[derive(Clone)]
pub(super) struct Trust {
    system_roots: bool,
    extra_roots: Vec<CertificateDer<'static>>,
    identity: Option<Arc<Identity>>,
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Trust {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Error::Config`] naming the option whose file cannot be used.
    pub(super) fn read(options: &Options) -> Result<Self, Error> {
        let extra_roots = match &options.ca_file {
            Some(path) => authorities(path)?,
            None => Vec::new(),
        };
        let identity = match (&options.client_cert_file, &options.client_key_file) {
            (Some(chain), Some(key)) => {
                let chain = certificates("client_cert_file", chain)?;
                let key = PrivateKeyDer::from_pem_file(key).map_err(|error| {
                    Error::config("client_key_file", format!("`client_key_file` {key}: {error}"))
                })?;
                CertifiedKey::from_der(
                    chain.clone(),
                    key.clone_key(),
                    &rustls::crypto::ring::default_provider(),
                )
                .map_err(|error| {
                    let text = format!("`client_key_file` does not fit `client_cert_file`: {error}");
                    Error::config("client_key_file", text)
                })?;
                Some(Arc::new(Identity { chain, key }))
            }
            _ => None,
        };
        Ok(Trust { system_roots: options.system_roots, extra_roots, identity })
    }

    fn client_config(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let extra_roots = self.extra_roots.iter().cloned();
        let builder = if self.system_roots {
            let verifier = rustls_platform_verifier::Verifier::new_with_extra_roots(extra_roots, provider)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        } else {
            let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            for certificate in extra_roots {
                roots.add(certificate)?;
            }
            builder.with_root_certificates(roots)
        };
        let config = match &self.identity {
            Some(identity) => {
                builder.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Arc::new(config))
    }
}

/// Wraps connections to `https` addresses, and those to a proxy that is one.
pub(super) struct Tls {
    trust: Trust,
    /// Filled by the first connection: loading the roots of an operating system takes its time.
    config: OnceCell<Arc<ClientConfig>>,
    /// The proxy that connections end at.
    forward: Option<Arc<Forward>>,
}

impl Tls {
    pub(super) fn new(trust: Trust, forward: Option<Arc<Forward>>) -> Self {
        Tls { trust, config: OnceCell::new(), forward }
    }

    /// Whose certificate a connection needs, if it needs one.
    fn peer<'a>(&'a self, details: &'a ConnectionDetails<'_>) -> Option<&'a str> {
        match &self.forward {
            Some(proxy) => proxy.tls.then_some(proxy.host.as_str()),
            None => details.needs_tls().then(|| details.uri.host().unwrap_or_default()),
        }
    }
}

/// The certificates in the PEM file of `ca_file`, each of which can vouch for others.
///
/// # Errors
/// [`Error::Config`] naming the file and the option.
fn authorities(path: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates = certificates("ca_file", path)?;
    // Otherwise it would show with the first connection, which may be much later.
    let mut roots = RootCertStore::empty();
    for (at, certificate) in certificates.iter().enumerate() {
        roots.add(certificate.clone()).map_err(|error| {
            let number = at + 1;
            let problem = format!("`ca_file` {path}: certificate {number} in it cannot be read: {error}");
            Error::config("ca_file", problem)
        })?;
    }
    Ok(certificates)
}

/// The certificates in a PEM file.
///
/// # Errors
/// [`Error::Config`] naming the file and `param`.
pub(crate) fn certificates(param: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let problem = |text: String| Error::config(param, format!("`{param}` {path}: {text}"));
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| problem(error.to_string()))?;
    if certificates.is_empty() {
        return Err(problem("holds no certificate in PEM format".to_owned()));
    }
    Ok(certificates)
}

impl<In: Transport> Connector<In> for Tls {
    type Out = Either<In, Session>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        let Some(host) = self.peer(details) else {
            return Ok(chained.map(Either::A));
        };
        let Some(socket) = chained else {
            return Err(ureq::Error::ConnectionFailed);
        };
        let config = self.config.get_or_try_init(|| self.trust.client_config()).map_err(io::Error::other);
        let session =
            config.and_then(|config| handshake(config, host, details, socket)).inspect_err(|error| {
                context::current(|attempt| attempt.report(trouble(error)));
            })?;
        Ok(Some(Either::B(Session { stream: session, buffers: context::buffers(details.config) })))
    }
}

fn handshake(
    config: &Arc<ClientConfig>,
    host: &str,
    details: &ConnectionDetails<'_>,
    socket: impl Transport,
) -> io::Result<StreamOwned<ClientConnection, TransportAdapter>> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let mut session = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
    let mut socket = TransportAdapter::new(socket.boxed(), Arc::clone(&details.current_time));
    session.complete_io(&mut socket)?;
    Ok(StreamOwned::new(session, socket))
}

/// Why a handshake failed: for want of trust, which is final, or because the connection did not last.
fn trouble(error: &io::Error) -> Trouble {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(error) => Trouble::Tls(reason(error)),
        None => Trouble::Connect(io::Error::new(error.kind(), format!("in the TLS handshake: {error}"))),
    }
}

/// With TLS 1.3, a client is through with the handshake before the server has looked at its certificate: the refusal
/// comes where the answer is due. Nothing was executed then.
fn late_refusal(error: &io::Error) {
    let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(error @ rustls::Error::AlertReceived(alert)) = refused
        && is_about_our_certificate(*alert)
    {
        context::current(|attempt| {
            attempt.sent.set(false);
            attempt.report(Trouble::Tls(reason(error)));
        });
    }
}

fn is_about_our_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;

    matches!(
        alert,
        Alert::CertificateRequired
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
    )
}

/// Why a handshake was refused, for a person.
fn reason(error: &rustls::Error) -> String {
    use rustls::CertificateError as Bad;

    match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => "the server's certificate has expired".to_owned(),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet; check this machine's clock".to_owned()
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the server's certificate is for another host".to_owned()
            }
            Bad::UnknownIssuer => "the server's certificate is from an unknown issuer; `ca_file` adds one, \
                                   `system_roots` trusts what the operating system does"
                .to_owned(),
            other => format!("the server's certificate is refused: {other}"),
        },
        rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType) => {
            "what answers there speaks no TLS; is its address one that begins with http://?".to_owned()
        }
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "the server asks for a client certificate; `client_cert_file` and `client_key_file` give one"
                .to_owned()
        }
        rustls::Error::AlertReceived(alert) if is_about_our_certificate(*alert) => {
            format!("the server refuses the client certificate (`client_cert_file`): {alert:?}")
        }
        other => other.to_string(),
    }
}

/// A connection with TLS.
pub(super) struct Session {
    stream: StreamOwned<ClientConnection, TransportAdapter>,
    buffers: LazyBuffers,
}

impl Transport for Session {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        self.stream.write_all(&self.buffers.output()[..amount])?;
        self.stream.flush()?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.stream.get_mut().set_timeout(timeout);
        let count = self.stream.read(self.buffers.input_append_buf()).inspect_err(late_refusal)?;
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.get_mut().get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("system_roots", &self.trust.system_roots).finish_non_exhaustive()
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("socket", &self.stream.sock.inner()).finish_non_exhaustive()
    }
}
