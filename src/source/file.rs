//! Audio files, read in real time or as fast as they decode.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::clock::{self, Clock};
use super::config::{Pacing, SourceConfig};
use super::decode::{self, Decoder};
use super::playlist::local::is_playlist_as;
use super::{Read, Source, SourceError};
use crate::audio::Block;
use crate::permits::Permits;
use crate::thread::Stop;

/// Longest time that a call blocks.
const PATIENCE: Duration = Duration::from_millis(250);

/// Audio discarded per step while skipping, in seconds.
const SKIPPED: f64 = 0.25;

/// Audio kept for a late reader in real time, like a device's buffer. Older audio is lost.
const BUFFER: Duration = Duration::from_secs(2);

/// File that [`open_path`] has opened.
pub(super) enum OpenedPath {
    /// Regular file that is not empty.
    Regular(File),
    /// Named pipe.
    Pipe(OwnedFd),
}

/// Opens `path` without blocking.
///
/// # Errors
/// Permanent: it is missing, empty, a directory, unreadable, or not a kind of file that holds
/// audio.
pub(super) fn open_path(path: &Path) -> Result<OpenedPath, SourceError> {
    open_path_as(path, path)
}

/// Opens `path` as [`open_path`] does, under the name `name`: in messages, and to tell a playlist.
///
/// # Errors
/// See [`open_path`].
pub(super) fn open_path_as(path: &Path, name: &Path) -> Result<OpenedPath, SourceError> {
    let fail = |what: String| SourceError::Permanent(format!("`{}` {what}", name.display()));
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
        // A blocking open would wait for a writer and ignore the stop token.
        let nonblocking = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let file = File::options().read(true).custom_flags(nonblocking).open(path).map_err(kind_of)?;
        return Ok(OpenedPath::Pipe(file.into()));
    }
    if !kind.is_file() {
        return Err(fail("is neither a regular file nor a pipe; it cannot hold audio".into()));
    }
    if metadata.len() == 0 {
        return Err(fail("is empty (0 bytes)".into()));
    }
    if is_playlist_as(path, name) {
        return Err(fail(
            "is a playlist, and a source is one file or stream; give each entry a source, or name an \
             address in it as `uri` (`genred classify` takes playlists of files)"
                .into(),
        ));
    }
    File::open(path).map(OpenedPath::Regular).map_err(kind_of)
}

/// Audio file.
pub(super) struct FileSource {
    decoder: Decoder,
    /// `None` if reading cannot be cancelled.
    stop: Option<Stop>,
    pacing: Pacing,
    /// Permits for decoding in real time; `None` decodes without.
    permits: Option<Permits>,
    clock: Clock,
    /// Decoded block that is held back until it is due.
    held: Block,
    waiting: bool,
    /// Delay of the last block relative to the clock.
    lag: Duration,
    /// Time at which the first sample was due.
    started: Option<Instant>,
    /// Path to restart from, if the file is repeated.
    repeat: Option<PathBuf>,
    /// Total duration of earlier repetitions, in seconds.
    rounds: f64,
    /// End of the last decoded sample, in seconds.
    end: f64,
    /// Minimum audio per block in real time.
    min_read: Duration,
    /// Decoding target.
    spare: Block,
    /// True if `spare` holds a block that has not been read yet.
    ahead: bool,
}

impl FileSource {
    /// Reads `file` as `config` says, until `stop` is set.
    pub(super) fn new(
        path: &Path,
        file: File,
        config: &SourceConfig,
        permits: Option<&Permits>,
        stop: &Stop,
    ) -> Result<Self, SourceError> {
        let clock = match (config.start, config.pacing) {
            (Some(start), _) => Clock::recorded(start),
            (None, Pacing::Realtime) => Clock::live(),
            (None, Pacing::Fast) => Clock::recorded(jiff::Timestamp::now()),
        };
        let source = Self::build(path, file, Some(stop.clone()), config.pacing, clock)?;
        let min_read = if config.pacing == Pacing::Realtime { config.min_read } else { Duration::ZERO };
        let permits = permits.filter(|_| config.pacing == Pacing::Realtime).cloned();
        Ok(Self { repeat: config.repeat.then(|| path.to_path_buf()), min_read, permits, ..source })
    }

    /// Reads `file`, called `name`, offline: as fast as it decodes. Reads fail once `stop` is set.
    pub(super) fn offline(name: &Path, file: File, stop: Option<&Stop>) -> Result<Self, SourceError> {
        Self::build(name, file, stop.cloned(), Pacing::Fast, Clock::recorded(jiff::Timestamp::now()))
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
            permits: None,
            clock,
            held,
            waiting: false,
            lag: Duration::ZERO,
            started: None,
            repeat: None,
            rounds: 0.0,
            end: 0.0,
            min_read: Duration::ZERO,
            spare,
            ahead: false,
        })
    }

    /// Discards audio; `held` keeps its span but no samples. Returns false at the end.
    fn skip_ahead(&mut self, seconds: f64) -> Result<bool, SourceError> {
        if !std::mem::take(&mut self.ahead) && !self.advance(Some(seconds))? {
            return Ok(false);
        }
        std::mem::swap(&mut self.held, &mut self.spare);
        self.held.interleaved.clear();
        Ok(true)
    }

    /// Decodes into `held` until it holds `min_read` or the next block is not contiguous. Returns
    /// false at the end.
    fn fill(&mut self) -> Result<bool, SourceError> {
        let permits = self.permits.clone();
        let _permit = permits.as_ref().map(Permits::acquire);
        if !std::mem::take(&mut self.ahead) && !self.advance(None)? {
            return Ok(false);
        }
        std::mem::swap(&mut self.held, &mut self.spare);
        while clock::length(&self.held) < self.min_read && self.advance(None)? {
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

    /// Decodes the next block into `spare`, or skips `skip` seconds. Restarts a repeated file at
    /// its end. Returns false at the end.
    fn advance(&mut self, skip: Option<f64>) -> Result<bool, SourceError> {
        let more = match skip {
            Some(seconds) => self.decoder.skip(seconds, &mut self.spare)?,
            None => self.decoder.next(&mut self.spare)?,
        };
        if more {
            // Converted at the rate of this block, which may differ from that of the previous
            // repetition.
            let before = self.spare.rate.samples(self.rounds);
            self.spare.span.start += before;
            self.spare.span.end += before;
            self.end = self.spare.rate.seconds(self.spare.span.end);
            return Ok(true);
        }
        // A repetition without a sample would loop forever.
        let Some(path) = self.repeat.as_ref().filter(|_| self.end > self.rounds) else { return Ok(false) };
        let OpenedPath::Regular(file) = open_path(path)? else { return Ok(false) };
        let extension = decode::extension(path);
        let name = path.display().to_string();
        self.decoder = Decoder::from_file(name, file, extension.as_deref(), self.stop.as_ref())?;
        self.rounds = self.end;
        self.advance(skip)
    }

    /// Time until the last sample of the held block is due, and time since then.
    fn wait(&mut self) -> (Duration, Duration) {
        if self.pacing == Pacing::Fast {
            return (Duration::ZERO, Duration::ZERO);
        }
        // Measured from the beginning, so that one late wake-up is compensated by the next.
        let elapsed = self.started.get_or_insert_with(Instant::now).elapsed();
        let end = Duration::from_secs_f64(self.held.rate.seconds(self.held.span.end));
        (end.saturating_sub(elapsed), elapsed.saturating_sub(end))
    }

    /// Fills `held` with the next audio. In real time, audio that a device would have lost is
    /// skipped. Returns false at the end.
    fn next_block(&mut self, skip: bool) -> Result<bool, SourceError> {
        let behind = match (self.pacing, self.started) {
            (Pacing::Realtime, Some(started)) => started.elapsed().as_secs_f64() - self.end,
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
                // The stop token makes reads fail; that failure is not the source's.
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

    fn stated_length(&self) -> Option<f64> {
        self.decoder.stated_length()
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
            min_read: Duration::ZERO,
        };
        let stop = Stop::new().unwrap();
        let mut source = FileSource::new(path, File::open(path).unwrap(), &config, None, &stop).unwrap();
        let mut block = Block::with_capacity(decode::ANY_RATE, 1, 0);
        assert_eq!(source.read(&mut block).unwrap(), Read::Audio);
        let before = block.span.end;
        // Simulates a reader that is five seconds late.
        source.started = Instant::now().checked_sub(Duration::from_secs(5));
        assert_eq!(source.read(&mut block).unwrap(), Read::Audio);
        assert!(block.interleaved.is_empty() && block.span.start == before);
        assert!((4.9..5.3).contains(&block.rate.seconds(block.span.end)), "{:?}", block.span);
        assert_eq!(source.read(&mut block).unwrap(), Read::Audio);
        assert!(!block.interleaved.is_empty() && block.gap);
    }
}
