//! Queue of fetched audio between the fetching and the decoding thread.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use url::Url;

use super::{LOOK_UP, fetch, lock, spawn};
use crate::source::SourceError;
use crate::source::http::client::Fields;
use crate::source::http::wire::Watch;

/// Capacity of the queue, in items.
const QUEUE: usize = 1;

/// Relation of fetched audio to the audio before it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) enum Join {
    /// The byte stream continues.
    #[default]
    Continues,
    /// Another codec or format begins; nothing is missing.
    Changes,
    /// Missing seconds; 0 if unknown.
    Lost(f64),
}

/// Contiguous frames of one segment.
#[derive(Debug)]
pub(super) struct Sound {
    pub(super) bytes: Vec<u8>,
    /// Duration in seconds according to the playlist.
    pub(super) seconds: f64,
    /// End in seconds of the programme.
    pub(super) end: f64,
    pub(super) join: Join,
    pub(super) title: Option<String>,
    /// Number of missing or damaged parts since the previous audio.
    pub(super) corrupt: u64,
}

impl Default for Sound {
    fn default() -> Self {
        Self { bytes: Vec::new(), seconds: 0.0, end: 0.0, join: Join::Continues, title: None, corrupt: 0 }
    }
}

/// Message of the fetching thread.
pub(super) enum Item {
    Sound(Sound),
    /// End of the stream.
    End(SourceError),
}

/// State of the playlist.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// End of the newest segment in seconds of the programme; `None` if nothing will follow.
    pub(super) edge: Option<f64>,
    /// Maximum segment duration in seconds.
    pub(super) target: f64,
}

/// Receiving end.
pub(super) struct Feed {
    items: Receiver<Item>,
    progress: Arc<Mutex<Progress>>,
    watch: Watch,
    /// Audio being read, of which `at` bytes have been read.
    current: Sound,
    at: usize,
    /// First audio of a section that needs a new decoder.
    next: Option<Sound>,
    end: Option<SourceError>,
    corrupt: u64,
}

/// Losses before a section.
pub(super) struct Begun {
    /// Missing seconds: `None` if nothing is missing, 0 if the number is unknown.
    pub(super) lost: Option<f64>,
    /// Number of missing segments and packets.
    pub(super) corrupt: u64,
}

impl Feed {
    /// Starts the fetching thread.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn start(url: Url, text: String, fields: Fields, watch: &Watch) -> io::Result<Self> {
        let (sender, items) = bounded(QUEUE);
        let progress: Arc<Mutex<Progress>> = Arc::default();
        let (shared, watched) = (progress.clone(), watch.clone());
        spawn(move || {
            let end = fetch::run(&url, &text, &fields, &watched, &sender, &shared);
            // The receiver may be gone.
            let _ = sender.send(Item::End(end));
        })?;
        Ok(Self {
            items,
            progress,
            watch: watch.clone(),
            current: Sound::default(),
            at: 0,
            next: None,
            end: None,
            corrupt: 0,
        })
    }

    /// Waits for the section that the next decoder reads; drops the rest of the previous one.
    ///
    /// # Errors
    /// The end of the stream.
    pub(super) fn begin(&mut self) -> Result<Begun, SourceError> {
        // If a decoder gave up, the next one starts with the next segment and the rest of this one
        // is lost.
        let left = match self.current.bytes.len() {
            0 => 0.0,
            length => self.current.seconds * (1.0 - self.at as f64 / length as f64),
        };
        self.at = self.current.bytes.len();
        while self.next.is_none() {
            match self.receive() {
                Ok(Some(sound)) => self.next = Some(sound),
                Ok(None) => {
                    let end = self.end.take();
                    return Err(end.unwrap_or_else(|| SourceError::Transient("the stream ended".into())));
                }
                Err(error) => return Err(SourceError::Transient(error.to_string())),
            }
        }
        let sound = self.next.take().unwrap_or_default();
        let lost = match sound.join {
            Join::Lost(seconds) => Some(left + seconds),
            Join::Continues | Join::Changes => Some(left).filter(|left| *left > 0.0),
        };
        self.take(sound);
        Ok(Begun { lost, corrupt: std::mem::take(&mut self.corrupt) })
    }

    fn take(&mut self, sound: Sound) {
        if let Some(title) = &sound.title {
            self.watch.shared.set_title(Some(title));
        }
        (self.current, self.at) = (sound, 0);
    }

    /// Receives the next audio; `None` at the end.
    fn receive(&mut self) -> io::Result<Option<Sound>> {
        while self.end.is_none() {
            let begun = Instant::now();
            let received = self.items.recv_timeout(LOOK_UP);
            self.watch.shared.add_wait(begun.elapsed());
            match received {
                Ok(Item::Sound(sound)) => {
                    self.corrupt = self.corrupt.saturating_add(sound.corrupt);
                    return Ok(Some(sound));
                }
                Ok(Item::End(end)) => self.end = Some(end),
                Err(RecvTimeoutError::Timeout) => self.watch.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    self.end = Some(SourceError::Transient("fetching the stream ended badly".into()));
                }
            }
        }
        Ok(None)
    }

    /// Returns the seconds that are listed but not read (`None` if nothing will follow), and the
    /// target duration.
    pub(super) fn ahead(&self) -> (Option<f64>, f64) {
        let progress = *self.progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let read = self.at as f64 / self.current.bytes.len().max(1) as f64;
        let at = self.current.end - self.current.seconds * (1.0 - read);
        (progress.edge.map(|edge| (edge - at).max(0.0)), progress.target)
    }
}

/// Reader of one section, for one decoder.
pub(super) struct Run(pub(super) Arc<Mutex<Feed>>);

impl Read for Run {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut feed = lock(&self.0);
        while feed.at == feed.current.bytes.len() && !buffer.is_empty() {
            if feed.next.is_some() {
                return Ok(0);
            }
            match feed.receive()? {
                None => return Ok(0),
                Some(sound) if sound.join != Join::Continues => feed.next = Some(sound),
                Some(sound) => feed.take(sound),
            }
        }
        let left = &feed.current.bytes[feed.at..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        feed.at += count;
        Ok(count)
    }
}
