//! Files, paced as they play or as fast as they decode.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clock::{self, Clock};
use super::decode::{self, Decoder};
use super::playlist::local::is_playlist;
use super::{Pacing, Read, Source, SourceConfig, SourceError};
use crate::audio::Block;
use crate::permits;
use crate::thread::Stop;

/// No call blocks for longer than this.
const PATIENCE: Duration = Duration::from_millis(250);

/// Audio that is skipped at once, in seconds.
const SKIPPED: f64 = 0.25;

/// Audio that waits for a late reader in real time, as in the buffer of a device. What is older is lost.
const BUFFER: Duration = Duration::from_secs(2);

/// What a path leads to.
pub(super) enum Opened {
    /// A regular file, with its length checked.
    Regular(File),
    /// A named pipe, which is read as it fills.
    Pipe(OwnedFd),
}

/// Opens `path` without ever blocking.
///
/// # Errors
/// Permanent: it is missing, empty, a directory, not readable, or no kind of file that holds sound.
pub(super) fn open_path(path: &Path) -> Result<Opened, SourceError> {
    let fail = |what: String| SourceError::Permanent(format!("`{}` {what}", path.display()));
    let kind_of = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => fail("does not exist; check the path".into()),
        io::ErrorKind::PermissionDenied => {
            fail("cannot be read: permission denied; check its owner and mode".into())
        }
        _ => fail(format!("cannot be opened: {error}")),
    };
    let metadata = std::fs::metadata(path).map_err(kind_of)?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(fail(
            "is a directory; name an audio file in it (`genred classify` takes folders)".into(),
        ));
    }
    if kind.is_fifo() {
        // Without the flag, opening would wait for a writer and know no stop token.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(nonblocking).open(path).map_err(kind_of)?;
        return Ok(Opened::Pipe(file.into()));
    }
    if !kind.is_file() {
        return Err(fail("is neither a regular file nor a pipe; it cannot hold sound".into()));
    }
    if metadata.len() == 0 {
        return Err(fail("is empty (0 bytes)".into()));
    }
    if is_playlist(path) {
        return Err(fail(
            "is a playlist, and a source is one file or stream; give each entry a source, or name an \
             address in it as `uri` (`genred classify` takes playlists of files)"
                .into(),
        ));
    }
    File::open(path).map(Opened::Regular).map_err(kind_of)
}

/// A sound file.
pub(super) struct FileSource {
    decoder: Decoder,
    /// Absent offline: then nothing waits.
    stop: Option<Stop>,
    pacing: Pacing,
    clock: Clock,
    /// Decoded, and held back until it is due.
    held: Block,
    waiting: bool,
    /// Time by which the last block came later than the clock.
    lag: Duration,
    /// When the first sample would have sounded.
    begun: Option<Instant>,
    /// Where to begin again, of a file that is repeated.
    repeat: Option<PathBuf>,
    /// Seconds of the rounds before this one.
    rounds: f64,
    /// Where the last sample that was decoded ends, in seconds.
    end: f64,
    /// Least sound of a block, in real time.
    piece: Duration,
    /// Where blocks are decoded to,
    spare: Block,
    /// and whether the one in there is yet to be read.
    ahead: bool,
}

impl FileSource {
    /// A file that is read as `config` says, until `stop` is set.
    pub(super) fn new(
        path: &Path,
        file: File,
        config: &SourceConfig,
        stop: &Stop,
    ) -> Result<Self, SourceError> {
        let clock = match (config.start, config.pacing) {
            (Some(start), _) => Clock::recorded(start),
            (None, Pacing::Realtime) => Clock::live(),
            (None, Pacing::Fast) => Clock::recorded(jiff::Timestamp::now()),
        };
        let source = Self::build(path, file, Some(stop.clone()), config.pacing, clock)?;
        let piece = if config.pacing == Pacing::Realtime { config.piece } else { Duration::ZERO };
        Ok(Self { repeat: config.repeat.then(|| path.to_path_buf()), piece, ..source })
    }

    /// A file for offline work: as fast as it decodes.
    pub(super) fn offline(path: &Path, file: File) -> Result<Self, SourceError> {
        Self::build(path, file, None, Pacing::Fast, Clock::recorded(jiff::Timestamp::now()))
    }

    fn build(
        path: &Path,
        file: File,
        stop: Option<Stop>,
        pacing: Pacing,
        clock: Clock,
    ) -> Result<Self, SourceError> {
        let extension = decode::extension(path);
        let name = path.display().to_string();
        let decoder = Decoder::from_file(name, file, extension.as_deref(), stop.as_ref())?;
        let held = Block::with_capacity(decode::ANY_RATE, 1, 0);
        let spare = held.clone();
        Ok(Self {
            decoder,
            stop,
            pacing,
            clock,
            held,
            waiting: false,
            lag: Duration::ZERO,
            begun: None,
            repeat: None,
            rounds: 0.0,
            end: 0.0,
            piece: Duration::ZERO,
            spare,
            ahead: false,
        })
    }

    /// Passes over audio into `held`, which is left without samples; `false` at the end.
    fn skip_ahead(&mut self, seconds: f64) -> Result<bool, SourceError> {
        if !std::mem::take(&mut self.ahead) && !self.advance(Some(seconds))? {
            return Ok(false);
        }
        std::mem::swap(&mut self.held, &mut self.spare);
        self.held.interleaved.clear();
        Ok(true)
    }

    /// Decodes into `held` until there is a piece, or what comes next is no part of it; `false` at the end.
    fn fill(&mut self) -> Result<bool, SourceError> {
        let _permit = (self.pacing == Pacing::Realtime).then(permits::acquire);
        if !std::mem::take(&mut self.ahead) && !self.advance(None)? {
            return Ok(false);
        }
        std::mem::swap(&mut self.held, &mut self.spare);
        while clock::length(&self.held) < self.piece && self.advance(None)? {
            let (held, next) = (&mut self.held, &self.spare);
            let is_part = (next.rate, next.channels) == (held.rate, held.channels)
                && !next.gap
                && next.span.start == held.span.end;
            if !is_part {
                self.ahead = true;
                break;
            }
            held.interleaved.extend_from_slice(&next.interleaved);
            held.span.end = next.span.end;
        }
        Ok(true)
    }

    /// Decodes the next block into `spare`, or skips so many seconds; from the beginning again where the file is
    /// repeated. `false` at its end.
    fn advance(&mut self, skip: Option<f64>) -> Result<bool, SourceError> {
        let more = match skip {
            Some(seconds) => self.decoder.skip(seconds, &mut self.spare)?,
            None => self.decoder.next(&mut self.spare)?,
        };
        if more {
            // At the rate of the block, which need not be that of the end of the round before.
            let before = self.spare.rate.samples(self.rounds);
            self.spare.span.start += before;
            self.spare.span.end += before;
            self.end = self.spare.rate.seconds(self.spare.span.end);
            return Ok(true);
        }
        // A round without a sample would go on for ever.
        let Some(path) = self.repeat.as_ref().filter(|_| self.end > self.rounds) else { return Ok(false) };
        let Opened::Regular(file) = open_path(path)? else { return Ok(false) };
        let extension = decode::extension(path);
        let name = path.display().to_string();
        self.decoder = Decoder::from_file(name, file, extension.as_deref(), self.stop.as_ref())?;
        self.rounds = self.end;
        self.advance(skip)
    }

    /// Time until the last sample of the block that is held has sounded, and time since.
    fn wait(&mut self) -> (Duration, Duration) {
        if self.pacing == Pacing::Fast {
            return (Duration::ZERO, Duration::ZERO);
        }
        // Always from the beginning: what one sleep oversleeps, the next makes up for.
        let elapsed = self.begun.get_or_insert_with(Instant::now).elapsed();
        let end = Duration::from_secs_f64(self.held.rate.seconds(self.held.span.end));
        (end.saturating_sub(elapsed), elapsed.saturating_sub(end))
    }

    /// Fills `held` with what comes next; `false` at the end. In real time, what a device would have lost by now is
    /// skipped.
    fn next_block(&mut self, skip: bool) -> Result<bool, SourceError> {
        let behind = match (self.pacing, self.begun) {
            (Pacing::Realtime, Some(begun)) => begun.elapsed().as_secs_f64() - self.end,
            _ => 0.0,
        };
        match skip || behind > BUFFER.as_secs_f64() {
            true => self.skip_ahead(behind.max(SKIPPED)),
            false => self.fill(),
        }
    }

    fn next(&mut self, block: &mut Block, skip: bool) -> Result<Read, SourceError> {
        if self.stop.as_ref().is_some_and(Stop::is_set) {
            return Ok(Read::End);
        }
        if !self.waiting {
            match self.next_block(skip) {
                // Reading ends with an error when the token is set; that one is nobody's fault.
                _ if self.stop.as_ref().is_some_and(Stop::is_set) => return Ok(Read::End),
                Ok(true) => {}
                Ok(false) => return Ok(Read::End),
                Err(error) => return Err(error),
            }
            self.waiting = true;
        }
        let (wait, lag) = self.wait();
        if let Some(stop) = self.stop.as_ref().filter(|_| !wait.is_zero()) {
            if stop.wait(wait.min(PATIENCE)) {
                return Ok(Read::End);
            }
            if wait > PATIENCE {
                return Ok(Read::Idle);
            }
        }
        self.waiting = false;
        self.lag = lag;
        std::mem::swap(block, &mut self.held);
        if skip {
            block.interleaved.clear();
        }
        self.clock.stamp(block, clock::length(block));
        Ok(Read::Audio)
    }
}

impl Source for FileSource {
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        self.next(block, false)
    }

    fn skip(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        self.next(block, true)
    }

    fn lag(&self) -> Duration {
        self.lag
    }

    fn corrupt(&self) -> u64 {
        self.decoder.corrupt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_is_late_loses_what_a_device_would_have_lost() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/loop.mp3"));
        let config = SourceConfig {
            display_name: "file".into(),
            name: "file".into(),
            uri: crate::source::Uri::File(path.into()),
            pacing: Pacing::Realtime,
            start: None,
            repeat: false,
            reconnect_max: Duration::from_secs(60),
            piece: Duration::ZERO,
        };
        let stop = Stop::new().unwrap();
        let mut source = FileSource::new(path, File::open(path).unwrap(), &config, &stop).unwrap();
        let mut block = Block::with_capacity(decode::ANY_RATE, 1, 0);
        assert_eq!(source.read(&mut block).unwrap(), Read::Audio);
        let before = block.span.end;
        // As if nobody had read for five seconds.
        source.begun = Instant::now().checked_sub(Duration::from_secs(5));
        assert_eq!(source.read(&mut block).unwrap(), Read::Audio);
        assert!(block.interleaved.is_empty() && block.span.start == before);
        assert!((4.9..5.3).contains(&block.rate.seconds(block.span.end)), "{:?}", block.span);
        assert_eq!(source.read(&mut block).unwrap(), Read::Audio);
        assert!(!block.interleaved.is_empty() && block.gap);
    }
}
