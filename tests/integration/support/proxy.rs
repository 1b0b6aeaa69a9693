//! A cable that can be cut.

use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes bytes on between its own port and another one of this machine.
pub struct Proxy {
    port: u16,
    lines: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    /// One to the port `target`.
    pub fn start(target: u16) -> Self {
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

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection; how many there were.
    pub fn cut(&self) -> usize {
        let lines: Vec<TcpStream> = std::mem::take(&mut *self.lines.lock().unwrap());
        // The far end of a pair may be down by the time that its turn comes.
        lines.chunks(2).filter(|pair| pair.iter().any(|end| end.shutdown(Shutdown::Both).is_ok())).count()
    }
}
