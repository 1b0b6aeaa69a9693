use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use super::*;

#[test]
fn a_port_in_use_is_reported_with_a_remedy() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = start(port).unwrap_err().to_string();
    assert!(error.starts_with(&format!("port {port} of 127.0.0.1 is in use")), "{error}");
    assert!(error.contains(&format!("`url = \"mqtt://127.0.0.1:{port}\"` under `[mqtt]`")), "{error}");
}

/// Answer of the broker to `bytes`; empty if it closes the connection.
fn answer(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).unwrap();
    answer[..length].to_vec()
}

/// CONNECT of the client `x`, clean, keep-alive of 30 s, with the properties of its level.
fn connect(name: &str, level: u8) -> Vec<u8> {
    let mut body = vec![0, name.len() as u8];
    body.extend_from_slice(name.as_bytes());
    body.extend_from_slice(&[level, 2, 0, 30]);
    if level >= 5 {
        body.push(0);
    }
    body.extend_from_slice(&[0, 1, b'x']);
    [&[0x10, body.len() as u8][..], &body].concat()
}

/// The codes are those of MQTT 3.1.1 §3.2.2.3 and MQTT 5 §3.2.2.2.
#[test]
fn each_protocol_level_gets_its_connack() {
    let address = start(0).unwrap();
    assert!(address.ip().is_loopback());
    assert_eq!(answer(address, &connect("MQTT", 4)), [0x20, 2, 0, 0]);
    let five = answer(address, &connect("MQTT", 5));
    assert_eq!((five[0], five[2], five[3]), (0x20, 0, 0), "{five:?}");
    assert_eq!(answer(address, &connect("MQIsdp", 3)), [0x20, 2, 0, 1]);
    assert_eq!(answer(address, &connect("MQTT", 3)), [0x20, 2, 0, 1]);
    assert_eq!(answer(address, &connect("MQTT", 6))[..4], [0x20, 3, 0, 0x84]);
    for garbage in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01\x02\x00", b"\x10\xff\xff\xff\xff\x7f"] {
        assert_eq!(answer(address, garbage), [0_u8; 0]);
    }
    // A CONNECT that comes byte by byte.
    let mut stream = TcpStream::connect(address).unwrap();
    for byte in connect("MQTT", 5) {
        stream.write_all(&[byte]).unwrap();
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut first = [0];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(first, [0x20]);
}

/// Such clients do not delay others.
#[test]
fn silent_and_incomplete_clients_are_disconnected() {
    let address = start(0).unwrap();
    let begun = Instant::now();
    let mut silent = TcpStream::connect(address).unwrap();
    let mut half = TcpStream::connect(address).unwrap();
    half.write_all(&connect("MQTT", 4)[..5]).unwrap();
    assert_eq!(answer(address, &connect("MQTT", 4)), [0x20, 2, 0, 0]);
    assert!(begun.elapsed() < CONNECT_TIMEOUT);
    for stream in [&mut silent, &mut half] {
        stream.set_read_timeout(Some(3 * CONNECT_TIMEOUT)).unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 0);
    }
}
