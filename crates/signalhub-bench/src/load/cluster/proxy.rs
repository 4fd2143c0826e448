//! A link between a node and Redis that can be cut.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A proxy for TCP. It ends with this value.
pub(super) struct Proxy {
    pub(super) address: String,
    links: Arc<Mutex<Links>>,
}

/// The open connections, both sides of each.
enum Links {
    Whole(Vec<TcpStream>),
    /// New connections are closed at once.
    Cut,
    /// The listener ends at the next connection.
    Ended,
}

impl Proxy {
    /// Listens, and connects each client with this address.
    pub(super) fn start(to: String) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let links = Arc::new(Mutex::new(Links::Whole(Vec::new())));
        let shared = Arc::clone(&links);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut links = shared.lock().unwrap_or_else(PoisonError::into_inner);
                match &mut *links {
                    // A connection that cannot be made is closed, as by a server that ends.
                    Links::Whole(open) => drop(join(client, &to).map(|both| open.extend(both))),
                    Links::Cut => {}
                    Links::Ended => break,
                }
            }
        });
        Ok(Self { address, links })
    }

    /// Closes all connections, and refuses new ones.
    pub(super) fn cut(&self) {
        self.set(Links::Cut);
    }

    /// Accepts connections again.
    pub(super) fn mend(&self) {
        self.set(Links::Whole(Vec::new()));
    }

    fn set(&self, links: Links) {
        let before = std::mem::replace(&mut *self.links.lock().unwrap_or_else(PoisonError::into_inner), links);
        if let Links::Whole(open) = before {
            open.iter().for_each(|socket| drop(socket.shutdown(Shutdown::Both)));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Links::Ended);
        // The listener looks at its state.
        drop(TcpStream::connect(&self.address));
    }
}

/// Connects a client, and copies in both directions until one side closes.
fn join(client: TcpStream, to: &str) -> io::Result<[TcpStream; 2]> {
    let server = TcpStream::connect(to)?;
    for socket in [&client, &server] {
        socket.set_nodelay(true)?;
    }
    let both = [client.try_clone()?, server.try_clone()?];
    for (mut from, mut to) in [(client.try_clone()?, server.try_clone()?), (server, client)] {
        thread::spawn(move || {
            drop(io::copy(&mut from, &mut to));
            drop(to.shutdown(Shutdown::Both));
        });
    }
    Ok(both)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn a_cut_closes_connections_and_refuses_others_until_it_is_mended() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(server.local_addr().unwrap().to_string()).unwrap();
        let pair = || (TcpStream::connect(&proxy.address).unwrap(), server.accept().unwrap().0);
        let carries = |(client, server): &mut (TcpStream, TcpStream)| {
            client.write_all(b"x").unwrap();
            server.read_exact(&mut [0]).is_ok()
        };
        let mut first = pair();
        assert!(carries(&mut first));
        proxy.cut();
        assert_eq!(first.1.read(&mut [0]).unwrap_or(0), 0, "the open connection is closed");
        let mut refused = TcpStream::connect(&proxy.address).unwrap();
        assert_eq!(refused.read(&mut [0]).unwrap_or(0), 0, "a new one is closed");
        proxy.mend();
        assert!(carries(&mut pair()));
    }
}
