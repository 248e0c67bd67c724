//! TLS in front of a server that speaks plain TCP.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection};

use crate::acceptor::{Acceptor, Hub, lock};
use crate::relay::reset;

/// Serves TLS on this listener; what comes out of it goes to `to`, one connection for each.
pub(crate) fn front(
    listener: TcpListener,
    to: SocketAddr,
    config: Arc<ServerConfig>,
) -> io::Result<Acceptor> {
    Acceptor::start(listener, move |client, _, hub| serve(&client, to, &config, hub))
}

fn serve(
    client: &Arc<TcpStream>,
    to: SocketAddr,
    config: &Arc<ServerConfig>,
    hub: &Arc<Hub>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut session = ServerConnection::new(Arc::clone(config)).map_err(io::Error::other)?;
    session.set_buffer_limit(None);
    while session.is_handshaking() {
        if let Err(error) = session.complete_io(&mut &**client) {
            // The alert that says why.
            let _ = flush(&mut session, client);
            let _ = client.shutdown(Shutdown::Write);
            return Err(error);
        }
    }
    flush(&mut session, client)?;
    // Connected only now, so that a refused client is no connection to the server behind.
    let upstream = Arc::new(TcpStream::connect(to)?);
    upstream.set_nodelay(true)?;
    hub.watch(&upstream);
    let session = Arc::new(Mutex::new(session));
    hub.spawn({
        let (session, client, upstream) = (Arc::clone(&session), Arc::clone(client), Arc::clone(&upstream));
        move || outwards(&upstream, &session, &client)
    });
    let outcome = inwards(client, &session, &upstream);
    // Fails only if the connection is gone already.
    let _ = upstream.shutdown(Shutdown::Both);
    outcome
}

/// From the client, decrypted, to the server.
fn inwards(
    mut client: &TcpStream,
    session: &Mutex<ServerConnection>,
    mut upstream: &TcpStream,
) -> io::Result<()> {
    let mut block = [0; 16 * 1024];
    let mut plain = Vec::new();
    // The first bytes may have come along with the end of the handshake.
    decrypt(&mut lock(session), &[], &mut plain)?;
    loop {
        upstream.write_all(&plain)?;
        plain.clear();
        let count = client.read(&mut block)?;
        if count == 0 {
            return Ok(());
        }
        let mut session = lock(session);
        decrypt(&mut session, &block[..count], &mut plain)?;
        flush(&mut session, client)?;
    }
}

fn decrypt(session: &mut ServerConnection, mut cipher: &[u8], plain: &mut Vec<u8>) -> io::Result<()> {
    loop {
        if !cipher.is_empty() {
            session.read_tls(&mut cipher)?;
        }
        let state = session.process_new_packets().map_err(io::Error::other)?;
        let start = plain.len();
        plain.resize(start + state.plaintext_bytes_to_read(), 0);
        session.reader().read_exact(&mut plain[start..])?;
        if cipher.is_empty() {
            return Ok(());
        }
    }
}

/// From the server, encrypted, to the client. Ends as the server ends: in order with a notice, or by a reset.
fn outwards(mut upstream: &TcpStream, session: &Mutex<ServerConnection>, client: &TcpStream) {
    let mut block = [0; 16 * 1024];
    loop {
        match upstream.read(&mut block) {
            Ok(0) => {
                let mut session = lock(session);
                session.send_close_notify();
                // Fails only if the client has left.
                let _ = flush(&mut session, client);
                let _ = client.shutdown(Shutdown::Both);
                return;
            }
            Ok(count) => {
                let mut session = lock(session);
                let sent =
                    session.writer().write_all(&block[..count]).and_then(|()| flush(&mut session, client));
                if sent.is_err() {
                    return;
                }
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::ConnectionReset {
                    reset(client);
                }
                let _ = client.shutdown(Shutdown::Read);
                return;
            }
        }
    }
}

fn flush(session: &mut ServerConnection, mut client: &TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(&mut client)?;
    }
    Ok(())
}
