//! Passing bytes on between two connections.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;

use crate::acceptor::Hub;

/// Makes the coming close of this connection send RST instead of FIN.
pub(crate) fn reset(stream: &TcpStream) {
    // Fails only if the connection is gone already.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// Passes bytes on in both directions until one side ends, which ends the other.
pub(crate) fn both_ways(
    client: &Arc<TcpStream>,
    upstream: &Arc<TcpStream>,
    hub: &Arc<Hub>,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    upstream.set_nodelay(true)?;
    let (from, to) = (Arc::clone(upstream), Arc::clone(client));
    hub.spawn(move || one_way(&from, &to));
    one_way(client, upstream);
    Ok(())
}

fn one_way(mut from: &TcpStream, mut to: &TcpStream) {
    let mut block = [0; 16 * 1024];
    loop {
        match from.read(&mut block) {
            Ok(0) => break,
            Ok(count) => {
                if to.write_all(&block[..count]).is_err() {
                    break;
                }
            }
            Err(error) => {
                if error.kind() == io::ErrorKind::ConnectionReset {
                    // Without a FIN before it: the other side is only woken.
                    reset(to);
                    let _ = to.shutdown(Shutdown::Read);
                    return;
                }
                break;
            }
        }
    }
    // Fails only if the connection is gone already.
    let _ = to.shutdown(Shutdown::Both);
}
