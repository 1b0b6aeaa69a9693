//! TCP proxy whose connections can be cut.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Forwards bytes between its own port and another local one.
pub(crate) struct Proxy {
    port: u16,
    lines: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// Creates a proxy to port `target`.
    pub(crate) fn start(target: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&lines);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else { continue };
                let mut lines = shared.lock().unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                        let _ = from.shutdown(Shutdown::Both);
                    });
                }
                lines.extend([near, far]);
            }
        });
        Self { port, lines }
    }

    /// Returns the port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Closes all connections. Returns their number.
    pub(crate) fn cut(&self) -> usize {
        let lines: Vec<TcpStream> = std::mem::take(&mut *self.lines.lock().unwrap());
        // The other end of a pair may be closed already.
        lines.chunks(2).filter(|pair| pair.iter().any(|end| end.shutdown(Shutdown::Both).is_ok())).count()
    }
}
