//! Queue of fetched audio between the fetching and the decoding thread.

use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};
use url::Url;

use super::fetch;
use super::item::{AudioJoin, FetchItem, FetchedAudio, POLL_INTERVAL, PlaylistProgress};
use crate::source::SourceError;
use crate::source::http::connection::FetchContext;
use crate::source::http::request::RequestFields;
use crate::thread;

/// Capacity of the queue, in items.
const QUEUE: usize = 1;

/// Receiving end.
pub(super) struct SegmentFeed {
    items: Receiver<FetchItem>,
    progress: Arc<Mutex<PlaylistProgress>>,
    context: FetchContext,
    /// Audio being read, of which `at` bytes have been read.
    current: FetchedAudio,
    at: usize,
    /// First audio of a section that needs a new decoder.
    next: Option<FetchedAudio>,
    end: Option<SourceError>,
    corrupt: u64,
}

/// Losses before a section.
pub(super) struct SectionStart {
    /// Missing seconds: `None` if nothing is missing, 0 if the number is unknown.
    pub(super) lost: Option<f64>,
    /// Number of missing segments and packets.
    pub(super) corrupt: u64,
}

impl SegmentFeed {
    /// Starts the fetching thread.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(super) fn start(
        url: Url,
        text: String,
        fields: RequestFields,
        context: &FetchContext,
    ) -> io::Result<Self> {
        let (sender, items) = bounded(QUEUE);
        let progress: Arc<Mutex<PlaylistProgress>> = Arc::default();
        let (shared, watched) = (progress.clone(), context.clone());
        thread::spawn("hls", move || {
            let end = fetch::run(&url, &text, &fields, &watched, &sender, &shared);
            // The receiver may be gone.
            let _ = sender.send(FetchItem::End(end));
        })?;
        Ok(Self {
            items,
            progress,
            context: context.clone(),
            current: FetchedAudio::default(),
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
    pub(super) fn begin(&mut self) -> Result<SectionStart, SourceError> {
        // If a decoder gave up, the next one starts with the next segment and the rest of this one
        // is lost.
        let left = match self.current.bytes.len() {
            0 => 0.0,
            length => self.current.seconds * (1.0 - self.at as f64 / length as f64),
        };
        self.at = self.current.bytes.len();
        while self.next.is_none() {
            match self.receive() {
                Ok(Some(audio)) => self.next = Some(audio),
                Ok(None) => {
                    let end = self.end.take();
                    return Err(end.unwrap_or_else(|| SourceError::Transient("the stream ended".into())));
                }
                Err(error) => return Err(SourceError::Transient(error.to_string())),
            }
        }
        let audio = self.next.take().unwrap_or_default();
        let lost = match audio.join {
            AudioJoin::Lost(seconds) => Some(left + seconds),
            AudioJoin::Continues | AudioJoin::Changes => Some(left).filter(|left| *left > 0.0),
        };
        self.take(audio);
        Ok(SectionStart { lost, corrupt: std::mem::take(&mut self.corrupt) })
    }

    fn take(&mut self, audio: FetchedAudio) {
        if let Some(title) = &audio.title {
            self.context.shared.set_title(Some(title));
        }
        (self.current, self.at) = (audio, 0);
    }

    /// Receives the next audio; `None` at the end.
    fn receive(&mut self) -> io::Result<Option<FetchedAudio>> {
        while self.end.is_none() {
            let started = Instant::now();
            let received = self.items.recv_timeout(POLL_INTERVAL);
            self.context.shared.add_wait(started.elapsed());
            match received {
                Ok(FetchItem::Audio(audio)) => {
                    self.corrupt = self.corrupt.saturating_add(audio.corrupt);
                    return Ok(Some(audio));
                }
                Ok(FetchItem::End(end)) => self.end = Some(end),
                Err(RecvTimeoutError::Timeout) => self.context.check()?,
                Err(RecvTimeoutError::Disconnected) => {
                    self.end = Some(SourceError::Transient("the fetching thread failed".into()));
                }
            }
        }
        Ok(None)
    }

    /// Returns the seconds that are listed but not read (`None` if nothing will follow), and the
    /// target duration.
    pub(super) fn ahead(&self) -> (Option<f64>, f64) {
        let progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let read = self.at as f64 / self.current.bytes.len().max(1) as f64;
        let at = self.current.end - self.current.seconds * (1.0 - read);
        (progress.edge.map(|edge| (edge - at).max(0.0)), progress.target)
    }
}

/// Locks the feed, which several decoders read in turn.
pub(super) fn lock(feed: &Mutex<SegmentFeed>) -> MutexGuard<'_, SegmentFeed> {
    feed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reader of one section, for one decoder.
pub(super) struct SectionReader(pub(super) Arc<Mutex<SegmentFeed>>);

impl Read for SectionReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut feed = lock(&self.0);
        while feed.at == feed.current.bytes.len() && !buffer.is_empty() {
            if feed.next.is_some() {
                return Ok(0);
            }
            match feed.receive()? {
                None => return Ok(0),
                Some(audio) if audio.join != AudioJoin::Continues => feed.next = Some(audio),
                Some(audio) => feed.take(audio),
            }
        }
        let left = &feed.current.bytes[feed.at..];
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        feed.at += count;
        Ok(count)
    }
}
