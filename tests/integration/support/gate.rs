//! A broker of one MQTT version, in front of one that supports both.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Response to a CONNECT of the other version.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refusal {
    /// CONNACK with return code 1, as of a broker of MQTT 3.1.1 (3.1.1 §3.2.2.3).
    Old,
    /// CONNACK with reason code 0x84 (MQTT 5 §3.2.2.2).
    New,
    /// The connection is closed.
    Close,
    /// No response.
    Silence,
}

/// A proxy for one MQTT version.
pub(crate) struct Gate {
    port: u16,
    /// Versions of the received CONNECTs, in order.
    levels: Arc<Mutex<Vec<u8>>>,
    lines: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    /// Creates a proxy to port `target` for protocol `level` (4 or 5).
    pub(crate) fn start(target: u16, level: u8, refusal: Refusal) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let gate = Self { port, levels: Arc::default(), lines: Arc::default() };
        let (levels, lines) = (Arc::clone(&gate.levels), Arc::clone(&gate.lines));
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let (levels, lines) = (Arc::clone(&levels), Arc::clone(&lines));
                thread::spawn(move || serve(near, target, level, refusal, &levels, &lines));
            }
        });
        gate
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn levels(&self) -> Vec<u8> {
        self.levels.lock().unwrap().clone()
    }

    /// Closes all connections.
    pub(crate) fn cut(&self) {
        for line in self.lines.lock().unwrap().drain(..) {
            let _ = line.shutdown(Shutdown::Both);
        }
    }
}

fn serve(
    mut near: TcpStream,
    target: u16,
    wanted: u8,
    refusal: Refusal,
    levels: &Mutex<Vec<u8>>,
    lines: &Mutex<Vec<TcpStream>>,
) -> Option<()> {
    // Type, length of one or two bytes, "MQTT" with its length, level.
    let mut head = vec![0; 9];
    near.read_exact(&mut head).ok()?;
    if head[1] & 0x80 != 0 {
        head.push(0);
        near.read_exact(&mut head[9..]).ok()?;
    }
    let level = head[head.len() - 1];
    levels.lock().unwrap().push(level);
    if level != wanted {
        match refusal {
            Refusal::Old => near.write_all(&[0x20, 2, 0, 1]).ok()?,
            Refusal::New => near.write_all(&[0x20, 3, 0, 0x84, 0]).ok()?,
            Refusal::Close => {}
            Refusal::Silence => thread::sleep(Duration::from_secs(60)),
        }
        return None;
    }
    let mut far = TcpStream::connect((Ipv4Addr::LOCALHOST, target)).ok()?;
    far.write_all(&head).ok()?;
    lines.lock().unwrap().extend([near.try_clone().ok()?, far.try_clone().ok()?]);
    for (from, to) in [(&near, &far), (&far, &near)] {
        let (mut from, mut to) = (from.try_clone().ok()?, to.try_clone().ok()?);
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
            let _ = from.shutdown(Shutdown::Both);
        });
    }
    Some(())
}
