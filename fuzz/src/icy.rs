//! ICY metadata: audio and titles are separated as by a reference that has the whole stream, with
//! reads of any size.
//!
//! Input: interval (2 bytes, little-endian), sizes of the inner reads, sizes of the outer reads,
//! the stream.

use std::cell::RefCell;
use std::io::Read;

use genred::source::fuzz_api::icy::{IcyReader, title};

use super::cuts::{PartialReader, sizes};

/// Panics if the reader differs from the reference.
pub fn run(data: &[u8]) {
    let Some((interval, rest)) = data.split_first_chunk::<2>() else { return };
    let interval = u32::from(u16::from_le_bytes(*interval)) + 1;
    let Some((come, rest)) = sizes(rest, 8) else { return };
    let Some((asked, stream)) = sizes(rest, 8) else { return };
    let expected = reference(stream, interval as usize);
    let titles = RefCell::new(Vec::new());
    let mut reader = IcyReader::new(PartialReader::new(stream, come), Some(interval), |title| {
        titles.borrow_mut().push(title.map(str::to_owned));
    });
    let mut audio = Vec::new();
    let mut buffer = [0; 4096];
    for turn in 0.. {
        let want =
            asked.get(turn % asked.len().max(1)).map_or(buffer.len(), |want| usize::from(*want).max(1));
        match reader.read(&mut buffer[..want]).expect("a slice reads") {
            0 => break,
            count => audio.extend_from_slice(&buffer[..count]),
        }
    }
    drop(reader);
    assert_eq!(audio, expected.0, "the audio");
    let titles = titles.into_inner();
    assert_eq!(titles, expected.1, "the titles");
    for title in titles.iter().flatten() {
        assert!(title.chars().count() <= 300 && !title.chars().any(char::is_control), "{title:?}");
    }
}

/// Audio and all stated titles.
fn reference(mut stream: &[u8], interval: usize) -> (Vec<u8>, Vec<Option<String>>) {
    let (mut audio, mut titles) = (Vec::new(), Vec::new());
    loop {
        let (sound, rest) = stream.split_at(interval.min(stream.len()));
        audio.extend_from_slice(sound);
        let Some((units, rest)) = rest.split_first() else { return (audio, titles) };
        let Some((text, rest)) = rest.split_at_checked(usize::from(*units) * 16) else {
            return (audio, titles);
        };
        titles.extend(title(text).map(|title| Some(title).filter(|title| !title.is_empty())));
        stream = rest;
    }
}
