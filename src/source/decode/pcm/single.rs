//! Audio of a container with a single audio chunk.

use std::io;

use symphonia::core::io::MediaSourceStream;

use super::chunks::{AfterAudio, ChunkLayout};
use super::reader::{AudioExtent, AudioExtents};

/// Audio chunk, and the content after it.
pub(super) struct SingleChunk {
    layout: ChunkLayout,
    /// Stated length of the audio in bytes; `None` if unknown.
    stated: Option<u64>,
    /// Stated end of the file.
    end: Option<u64>,
    /// True if the stated sizes are consistent.
    settled: bool,
    turn: u8,
}

impl SingleChunk {
    pub(super) fn new(layout: ChunkLayout, stated: Option<u64>, end: Option<u64>, settled: bool) -> Self {
        Self { layout, stated, end, settled: settled && stated != Some(0), turn: 0 }
    }
}

impl AudioExtents for SingleChunk {
    fn next(&mut self, stream: &mut MediaSourceStream<'static>) -> io::Result<Option<AudioExtent>> {
        self.turn += 1;
        match (self.turn, self.stated) {
            (1, stated) => Ok(Some(AudioExtent { bytes: stated, joined: false })),
            (2, Some(stated)) => {
                let odd = stated % 2 == 1;
                let follows = self.layout.follows(stream, odd, self.end, self.settled)?;
                let more = matches!(follows, AfterAudio::Audio);
                Ok(more.then_some(AudioExtent { bytes: None, joined: true }))
            }
            _ => Ok(None),
        }
    }
}
