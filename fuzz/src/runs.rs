//! Runs of AAC frames: nothing is lost between them, and how the bytes are cut does not matter.
//!
//! Input: sizes of what comes, sizes of what is asked for, the stream.

use std::io::Read;

use genred::source::fuzz_api::AdtsSections;

use super::cuts::{Cut, sizes};

/// Fails where a stream that comes in pieces is not the one that comes at once.
pub fn run(data: &[u8]) {
    let Some((come, rest)) = sizes(data, 8) else { return };
    let Some((asked, stream)) = sizes(rest, 8) else { return };
    let found = cut(stream, come, asked);
    assert!(found.concat() == stream, "{} bytes of {}", found.concat().len(), stream.len());
    let (found, whole) = (lengths(&found), lengths(&cut(stream, &[], &[])));
    assert_eq!(found, whole, "runs of other lengths");
}

fn lengths(runs: &[Vec<u8>]) -> Vec<usize> {
    runs.iter().map(Vec::len).collect()
}

/// The runs of a stream.
pub fn cut(stream: &[u8], come: &[u8], asked: &[u8]) -> Vec<Vec<u8>> {
    let mut runs = AdtsSections::new(Cut::new(stream, come));
    let (mut found, mut turn) = (vec![Vec::new()], 0);
    let mut buffer = [0; 4096];
    loop {
        let want =
            asked.get(turn % asked.len().max(1)).map_or(buffer.len(), |want| usize::from(*want).max(1));
        turn += 1;
        let count = runs.read(&mut buffer[..want]).expect("a slice reads");
        found.last_mut().expect("there is one").extend_from_slice(&buffer[..count]);
        if count == 0 {
            if !runs.begin() {
                return found;
            }
            found.push(Vec::new());
        }
    }
}
