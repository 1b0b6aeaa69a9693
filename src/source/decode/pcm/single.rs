//! Audio of a container with a single audio chunk.

use std::io;

use symphonia::core::io::MediaSourceStream;

use super::chunks::{Dialect, Follows};
use super::reader::{Stretch, Stretches};

/// Audio chunk, and the content after it.
pub(super) struct Single {
    dialect: Dialect,
    /// Stated length of the audio in bytes; `None` if unknown.
    stated: Option<u64>,
    /// Stated end of the file.
    end: Option<u64>,
    /// True if the stated sizes are consistent.
    settled: bool,
    turn: u8,
}

impl Single {
    pub(super) fn new(dialect: Dialect, stated: Option<u64>, end: Option<u64>, settled: bool) -> Self {
        Self { dialect, stated, end, settled: settled && stated != Some(0), turn: 0 }
    }
}

impl Stretches for Single {
    fn next(&mut self, stream: &mut MediaSourceStream<'static>) -> io::Result<Option<Stretch>> {
        self.turn += 1;
        match (self.turn, self.stated) {
            (1, stated) => Ok(Some(Stretch { bytes: stated, joined: false })),
            (2, Some(stated)) => {
                let odd = stated % 2 == 1;
                let follows = self.dialect.follows(stream, odd, self.end, self.settled)?;
                let more = matches!(follows, Follows::Audio);
                Ok(more.then_some(Stretch { bytes: None, joined: true }))
            }
            _ => Ok(None),
        }
    }
}
