//! A broker that closes connections on purpose and records received messages.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Records of all connections.
#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Payloads on topics that end in `/event`, in order, by topic.
    pub events: HashMap<String, Vec<String>>,
    /// Acknowledged payloads.
    pub acknowledged: HashSet<String>,
    /// Events received before the previous one of their topic was acknowledged.
    pub overlapping: Vec<String>,
    pub connections: usize,
}

/// Listens on the returned port. Each of the first `hang_ups` connections receives some messages,
/// acknowledges a part of them, latest first, and is closed. Later connections work. No session
/// state is kept.
pub(crate) fn start(hang_ups: usize) -> (u16, Arc<Mutex<Record>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let record = Arc::new(Mutex::new(Record::default()));
    let shared = Arc::clone(&record);
    thread::spawn(move || {
        // Pseudo-random numbers with a fixed seed.
        let mut random = 12345_u64;
        let mut below = |n: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % n
        };
        for (number, stream) in listener.incoming().flatten().enumerate() {
            shared.lock().unwrap().connections += 1;
            let patience = if number < hang_ups { below(40) } else { u64::MAX };
            let _ = serve(stream, patience, 1 + below(4) as usize, &shared);
        }
    });
    (port, record)
}

fn serve(mut stream: TcpStream, mut patience: u64, batch: usize, record: &Mutex<Record>) -> io::Result<()> {
    let mut waiting: Vec<(u16, String, String)> = Vec::new();
    // An empty list of MQTT 5 properties is one byte.
    let mut properties = 0;
    loop {
        let (kind, body) = packet(&mut stream)?;
        match kind >> 4 {
            1 => {
                // The protocol level follows "MQTT" and its length.
                properties = usize::from(body[6] == 5);
                stream.write_all(&[&[0x20, 2 + properties as u8, 0, 0][..], &[0][..properties]].concat())?;
            }
            // One return code per filter; filters follow the packet id.
            8 => {
                let mut codes = Vec::new();
                let mut at = 2 + properties;
                while at + 2 <= body.len() {
                    at += 3 + usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
                    codes.push(1);
                }
                let length = 2 + properties + codes.len();
                let head = [0x90, length as u8, body[0], body[1]];
                stream.write_all(&[&head, &[0][..properties], &codes].concat())?;
            }
            3 => {
                let topic_end = 2 + usize::from(u16::from_be_bytes([body[0], body[1]]));
                let topic = String::from_utf8_lossy(&body[2..topic_end]).into_owned();
                let confirmed = kind & 0b110 != 0;
                let start = topic_end + if confirmed { 2 } else { 0 } + properties;
                let payload = String::from_utf8_lossy(&body[start..]).into_owned();
                if topic.ends_with("/event") {
                    let mut record = record.lock().unwrap();
                    if waiting.iter().any(|(_, other, _)| *other == topic) {
                        record.overlapping.push(payload.clone());
                    }
                    record.events.entry(topic.clone()).or_default().push(payload.clone());
                }
                if confirmed {
                    let id = u16::from_be_bytes([body[topic_end], body[topic_end + 1]]);
                    waiting.push((id, topic, payload));
                }
                patience = patience.saturating_sub(1);
                if patience == 0 {
                    return Ok(());
                }
            }
            12 => stream.write_all(&[0xd0, 0])?,
            14 => return Ok(()),
            _ => {}
        }
        // An incomplete batch must not wait forever.
        stream.set_nonblocking(true)?;
        let idle = stream.peek(&mut [0]).is_err();
        stream.set_nonblocking(false)?;
        if waiting.len() >= batch || idle {
            while let Some((id, _, payload)) = waiting.pop() {
                let [high, low] = id.to_be_bytes();
                stream.write_all(&[0x40, 2, high, low])?;
                record.lock().unwrap().acknowledged.insert(payload);
            }
        }
    }
}

/// Returns type byte and body of the next packet.
fn packet(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    let kind = byte[0];
    let (mut length, mut shift) = (0_usize, 0);
    loop {
        stream.read_exact(&mut byte)?;
        length |= usize::from(byte[0] & 0x7f) << shift;
        shift += 7;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    Ok((kind, body))
}
