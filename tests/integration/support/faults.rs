//! An HTTP server that fails at the first connection of each path, in different ways, and then
//! works.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// Fault of the first connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// None; also the reference stream.
    None,
    /// Audio for a while, then nothing, with the connection open.
    Stall,
    /// Audio for a while, then a reset.
    Reset,
    /// One byte per second.
    Trickle,
    /// A truncated chunk.
    TruncatedChunk,
    /// Audio with the content type of a web page.
    WrongType,
    /// An endless response head.
    EndlessHead,
    /// A redirect to the same address.
    Loop,
    /// Invalid data within the audio.
    Garbage,
    /// More metadata than announced.
    LongMetadata,
    /// No response for several seconds.
    Gone,
    /// Status 404.
    Missing,
    /// `ICY 200 OK`.
    Icy,
    /// A regular end of the response.
    Ends,
}

/// Bytes of audio between two pieces of metadata.
const INTERVAL: usize = 4096;

/// The server; its threads end with the process.
pub(crate) struct Faults {
    pub port: u16,
    /// Number of connections by path.
    connections: Arc<Mutex<HashMap<String, usize>>>,
}

impl Faults {
    /// Serves `sound`, MP3 of `bytes_a_second`, in a loop as `/FAULT` (the names of [`Fault`]).
    pub(crate) fn start(sound: Vec<u8>, bytes_a_second: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections: Arc<Mutex<HashMap<String, usize>>> = Arc::default();
        let (sound, shared) = (Arc::new(sound), Arc::clone(&connections));
        thread::spawn(move || {
            for line in listener.incoming().flatten() {
                let (sound, shared) = (Arc::clone(&sound), Arc::clone(&shared));
                thread::spawn(move || {
                    // A closed connection is no error.
                    let _ = serve(line, &sound, bytes_a_second, &shared);
                });
            }
        });
        Self { port, connections }
    }

    /// Address with `fault`.
    pub(crate) fn url(&self, fault: Fault) -> String {
        format!("http://127.0.0.1:{}/{fault:?}", self.port)
    }

    /// Number of requests for `fault`.
    pub(crate) fn connections(&self, fault: Fault) -> usize {
        self.connections.lock().unwrap().get(&format!("{fault:?}")).copied().unwrap_or(0)
    }
}

const ALL: [Fault; 14] = [
    Fault::None,
    Fault::Stall,
    Fault::Reset,
    Fault::Trickle,
    Fault::TruncatedChunk,
    Fault::WrongType,
    Fault::EndlessHead,
    Fault::Loop,
    Fault::Garbage,
    Fault::LongMetadata,
    Fault::Gone,
    Fault::Missing,
    Fault::Icy,
    Fault::Ends,
];

/// Reads a request and returns its path. A request for [`Fault::Reset`] is read in part.
fn read_path(line: &mut TcpStream) -> std::io::Result<String> {
    let request = read_until(line, "\n")?;
    if !request.contains(&format!("/{:?} ", Fault::Reset)) {
        read_until(line, "\r\n\r\n")?;
    }
    Ok(request.split([' ', '?']).nth(1).unwrap_or_default().trim_start_matches('/').to_owned())
}

fn fault_of(path: &str, count: usize) -> Fault {
    let named = ALL.into_iter().find(|fault| format!("{fault:?}") == path).unwrap_or(Fault::Missing);
    // These faults occur at every connection.
    let always = [Fault::Icy, Fault::WrongType, Fault::Loop].contains(&named);
    if count == 1 || always { named } else { Fault::None }
}

fn serve(
    mut line: TcpStream,
    sound: &[u8],
    rate: usize,
    connections: &Mutex<HashMap<String, usize>>,
) -> std::io::Result<()> {
    let path = read_path(&mut line)?;
    let count = {
        let mut connections = connections.lock().unwrap();
        let count = connections.entry(path.clone()).or_default();
        *count += 1;
        *count
    };
    let fault = fault_of(&path, count);
    let seconds = |seconds: usize| seconds * rate;
    let ok = "HTTP/1.0 200 OK\r\nContent-Type: audio/mpeg\r\n";
    match fault {
        Fault::Gone if count == 1 => {
            thread::sleep(Duration::from_secs(3));
            return Ok(());
        }
        Fault::Missing => return write!(line, "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
        Fault::Loop => return write!(line, "HTTP/1.1 302 Found\r\nLocation: /Loop?again\r\n\r\n"),
        Fault::EndlessHead => {
            write!(line, "{ok}")?;
            loop {
                write!(line, "X-More: and more\r\n")?;
            }
        }
        Fault::Trickle => {
            write!(line, "{ok}\r\n")?;
            for byte in sound {
                line.write_all(&[*byte])?;
                thread::sleep(Duration::from_secs(1));
            }
        }
        Fault::WrongType => {
            write!(line, "HTTP/1.0 200 OK\r\nContent-Type: text/html\r\n\r\n")?;
            play(&mut line, sound, rate, usize::MAX)?;
        }
        Fault::Icy => {
            write!(
                line,
                "ICY 200 OK\r\nicy-name: x\r\nicy-metaint:{INTERVAL}\r\ncontent-type: audio/mpeg\r\n\r\n"
            )?;
            play_titled(&mut line, sound, rate, false)?;
        }
        Fault::LongMetadata => {
            write!(line, "{ok}icy-metaint: {INTERVAL}\r\n\r\n")?;
            play_titled(&mut line, sound, rate, true)?;
        }
        Fault::TruncatedChunk => {
            write!(
                line,
                "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
                seconds(20)
            )?;
            play(&mut line, sound, rate, seconds(5))?;
        }
        Fault::Garbage => {
            write!(line, "{ok}\r\n")?;
            play(&mut line, sound, rate, seconds(5))?;
            let noise: Vec<u8> =
                (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
            line.write_all(&noise)?;
            play(&mut line, sound, rate, usize::MAX)?;
        }
        Fault::Stall => {
            write!(line, "{ok}\r\n")?;
            play(&mut line, sound, rate, seconds(5))?;
            thread::sleep(Duration::from_secs(120));
        }
        Fault::Reset => {
            write!(line, "{ok}\r\n")?;
            play(&mut line, sound, rate, seconds(5))?;
            // Part of the request was not read, so closing resets the connection.
        }
        Fault::Ends => {
            write!(line, "{ok}\r\n")?;
            play(&mut line, sound, rate, seconds(5))?;
        }
        Fault::None | Fault::Gone => {
            write!(line, "{ok}\r\n")?;
            play(&mut line, sound, rate, usize::MAX)?;
        }
    }
    Ok(())
}

fn read_until(line: &mut TcpStream, end: &str) -> std::io::Result<String> {
    let mut text = String::new();
    let mut byte = [0];
    while !text.ends_with(end) {
        line.read_exact(&mut byte)?;
        text.push(char::from(byte[0]));
    }
    Ok(text)
}

/// Sends at most `most` bytes of audio in real time, with three seconds in advance.
pub(crate) fn play(
    line: &mut (impl Write + ?Sized),
    sound: &[u8],
    rate: usize,
    most: usize,
) -> std::io::Result<()> {
    let begun = Instant::now();
    let mut sent = 0;
    for piece in sound.chunks(1024).cycle() {
        if sent >= most {
            break;
        }
        line.write_all(piece)?;
        sent += piece.len();
        let due = Duration::from_secs_f64(sent as f64 / rate as f64).saturating_sub(Duration::from_secs(3));
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    Ok(())
}

/// The same with titles. `too_long`: the first one is longer than announced.
fn play_titled(line: &mut TcpStream, sound: &[u8], rate: usize, too_long: bool) -> std::io::Result<()> {
    let begun = Instant::now();
    let mut sent = 0;
    for (index, piece) in sound.chunks_exact(INTERVAL).cycle().enumerate() {
        line.write_all(piece)?;
        sent += piece.len();
        let mut text = format!("StreamTitle='Artist - It's number {}';", index / 16).into_bytes();
        let units = text.len().div_ceil(16);
        text.resize(units * 16, 0);
        line.write_all(&[units as u8])?;
        line.write_all(&text)?;
        if too_long && index == 20 {
            line.write_all(&[b'x'; 777])?;
        }
        let due = Duration::from_secs_f64(sent as f64 / rate as f64).saturating_sub(Duration::from_secs(3));
        thread::sleep(due.saturating_sub(begun.elapsed()));
    }
    Ok(())
}
