//! Sections of ADTS frames: nothing is lost between them, with reads of any size.
//!
//! Input: sizes of the inner reads, sizes of the outer reads, the stream.

use std::io::Read;

use genred::source::fuzz_api::AdtsSections;

use super::cuts::{PartialReader, sizes};

/// Panics if the sizes of the reads make a difference.
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

/// Sections of a stream.
pub fn cut(stream: &[u8], come: &[u8], asked: &[u8]) -> Vec<Vec<u8>> {
    let mut runs = AdtsSections::new(PartialReader::new(stream, come));
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
