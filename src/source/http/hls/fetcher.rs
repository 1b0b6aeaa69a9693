//! State of one media playlist: reloads it when it is due, and loads segments while the queue has
//! room.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{SendTimeoutError, Sender};
use url::Url;

use super::item::{AudioJoin, FetchItem, FetchedAudio, POLL_INTERVAL, PlaylistProgress};
use super::load::{PATIENCE, load, playlist, refusal};
use super::m3u8::{MediaPlaylist, ResourceRange};
use super::segment::{SegmentUnpacker, UnpackError, UnpackedSegment};
use super::window::{DueSegment, PlaylistWindow};
use crate::source::SourceError;
use crate::source::address::redact;
use crate::source::http::client::{self, RequestError};
use crate::source::http::connection::FetchContext;
use crate::source::http::request::RequestFields;

/// Maximum size of a segment, in bytes.
const MAX_SEGMENT: usize = 16 * 1024 * 1024;

/// Maximum size of an initialisation segment, in bytes.
const MAX_INIT: usize = 1024 * 1024;

/// Maximum number of requests for a segment that is missing or incomplete.
const MAX_TRIES: u32 = 3;

/// Delay before a segment is requested again.
const RETRY_PAUSE: Duration = Duration::from_millis(700);

/// Number of consecutive unusable segments after which the stream fails.
const MAX_BAD: u32 = 5;

/// Time, in target durations plus seconds, that a playlist may stay unchanged or unavailable.
const STANDSTILL_TARGETS: f64 = 3.0;
const STANDSTILL_S: f64 = 10.0;

/// Target durations without a new segment after which the delay is reported.
const LATE: f64 = 1.5;

/// Reason for leaving a variant.
pub(super) enum VariantExit {
    /// Another variant may be usable.
    Refused(SourceError),
    Ended(SourceError),
}

impl From<SourceError> for VariantExit {
    fn from(error: SourceError) -> Self {
        Self::Ended(error)
    }
}

/// State of one media playlist.
pub(super) struct Fetcher<'a> {
    url: Url,
    shown: String,
    fields: &'a RequestFields,
    context: &'a FetchContext,
    sender: &'a Sender<FetchItem>,
    progress: &'a Mutex<PlaylistProgress>,
    window: PlaylistWindow,
    unpacker: SegmentUnpacker,
    /// Initialisation segment, once loaded.
    init: Option<(Arc<ResourceRange>, Vec<u8>)>,
    /// Number of the segment with a discontinuity for which it was reloaded.
    renewed_for: Option<u64>,
    /// True if the unpacker has received the initialisation segment.
    init_passed: bool,
    target: f64,
    /// Unpacked audio that has not been sent yet, in reverse order.
    ready: Vec<FetchedAudio>,
    reload_at: Instant,
    /// Earliest time of the next request for a segment.
    retry_at: Instant,
    tries: u32,
    /// Number of consecutive unusable segments.
    bad: u32,
    /// Times at which the playlist was last loaded, and last held a new segment.
    answered: Instant,
    advanced: Instant,
    /// Reasons why segments and playlists do not arrive, while they do not.
    stuck: Option<String>,
    late: Option<String>,
    /// Number of missing segments reported so far.
    missed_reported: u64,
    has_delivered: bool,
}

impl<'a> Fetcher<'a> {
    /// Creates the state of the media playlist at `url`.
    pub(super) fn new(
        url: Url,
        fields: &'a RequestFields,
        context: &'a FetchContext,
        sender: &'a Sender<FetchItem>,
        progress: &'a Mutex<PlaylistProgress>,
    ) -> Self {
        let now = Instant::now();
        Self {
            shown: redact(url.as_str()),
            url,
            fields,
            context,
            sender,
            progress,
            window: PlaylistWindow::from(context.resume_point.next()),
            unpacker: SegmentUnpacker::default(),
            init: None,
            renewed_for: None,
            init_passed: false,
            target: 0.0,
            ready: Vec::new(),
            reload_at: now,
            retry_at: now,
            tries: 0,
            bad: 0,
            answered: now,
            advanced: now,
            stuck: None,
            late: None,
            missed_reported: 0,
            has_delivered: false,
        }
    }

    /// Follows the playlist, first loaded as `list`, until it ends or fails.
    pub(super) fn follow(mut self, list: MediaPlaylist) -> VariantExit {
        if list.ended && list.sequence > 0 && !list.is_vod {
            return VariantExit::Ended(self.transient("has ended"));
        }
        if list.i_frames_only {
            return VariantExit::Refused(refusal(&self.shown, "is a trick-play playlist without audio"));
        }
        self.apply(list, Instant::now());
        loop {
            if let Err(left) = self.step() {
                return left;
            }
        }
    }

    fn transient(&self, what: &str) -> SourceError {
        SourceError::Transient(format!("`{}` {what}", self.shown))
    }

    /// Does the next due action, or waits briefly.
    fn step(&mut self) -> Result<(), VariantExit> {
        self.context.check().map_err(|error| self.transient(&error.to_string()))?;
        let now = Instant::now();
        if now >= self.reload_at && !self.window.is_last() {
            self.reload(now)?;
        }
        if self.ready.is_empty()
            && now >= self.retry_at
            && let Some(planned) = self.window.due()
        {
            self.fetch(planned)?;
        }
        if let Some(audio) = self.ready.pop() {
            match self.sender.send_timeout(FetchItem::Audio(audio), POLL_INTERVAL) {
                Ok(()) => {}
                Err(SendTimeoutError::Timeout(FetchItem::Audio(audio))) => self.ready.push(audio),
                Err(_) => return Err(self.transient("is no longer wanted").into()),
            }
            return Ok(());
        }
        if self.window.is_last() && self.window.due().is_none() {
            return Err(self.transient("ended").into());
        }
        let now = Instant::now();
        let waits_for = match self.window.due() {
            // A playlist that has ended is not reloaded.
            Some(_) if self.window.is_last() => self.retry_at,
            Some(_) => self.retry_at.min(self.reload_at),
            None => self.reload_at,
        };
        self.context.stop.wait(waits_for.saturating_duration_since(now).min(POLL_INTERVAL));
        Ok(())
    }

    fn reload(&mut self, now: Instant) -> Result<(), VariantExit> {
        match playlist(&self.url, self.fields, self.context) {
            Ok((_, list)) => {
                self.apply(list, now);
                let standstill = self.advanced.elapsed();
                let is_late = standstill.as_secs_f64() > LATE * self.target && !self.window.is_last();
                let what = || format!("`{}` has not changed for {} s", self.shown, standstill.as_secs());
                self.late = is_late.then(what);
                self.report_trouble();
                let longest = Duration::from_secs_f64(STANDSTILL_TARGETS * self.target + STANDSTILL_S);
                if let Some(late) = self.late.take_if(|_| standstill > longest) {
                    return Err(SourceError::Transient(late).into());
                }
            }
            Err(RequestError { error: error @ SourceError::Refused(_), .. }) => return Err(error.into()),
            Err(failed) => {
                tracing::debug!(url = self.shown, "{}", failed.error);
                self.late = Some(failed.error.to_string());
                self.report_trouble();
                let longest = Duration::from_secs_f64(STANDSTILL_TARGETS * self.target + STANDSTILL_S);
                if self.answered.elapsed() > longest {
                    return Err(failed.error.into());
                }
                self.reload_at = now + Duration::from_secs_f64((self.target / 2.0).clamp(0.5, 5.0));
            }
        }
        Ok(())
    }

    /// Applies a playlist that was requested at `requested_at`.
    fn apply(&mut self, list: MediaPlaylist, requested_at: Instant) {
        self.target = list.target;
        let is_new = self.window.update(list);
        self.answered = Instant::now();
        if is_new {
            self.advanced = self.answered;
        }
        let share = if is_new { 1.0 } else { 0.5 };
        self.reload_at = requested_at + Duration::from_secs_f64((self.target * share).max(0.5));
        let edge = (!self.window.is_last()).then(|| self.window.edge());
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        *progress = PlaylistProgress { edge, target: self.target };
    }

    /// Loads and unpacks a segment.
    fn fetch(&mut self, planned: DueSegment) -> Result<(), VariantExit> {
        if let Some(method) = &planned.segment.encryption {
            let refused =
                refusal(&self.shown, &format!("is encrypted ({method}), which genred does not decode"));
            return Err(self.leave(refused));
        }
        if let Some(part) = planned.segment.part.as_ref().filter(|_| self.stuck.is_none()) {
            self.stuck = Some(format!("`{}` does not arrive", redact(part.url.as_str())));
            self.report_trouble();
        }
        let unpacked = match self.load(&planned) {
            Ok(bytes) => {
                if planned.broken.is_some() {
                    self.unpacker.reset();
                    self.init_passed = false;
                } else if planned.segment.discontinuity {
                    self.unpacker.announce_change();
                    self.init_passed = false;
                }
                self.begin().and_then(|()| self.unpacker.unpack(&bytes))
            }
            Err(RequestError { error: error @ SourceError::Refused(_), .. }) => return Err(self.leave(error)),
            Err(failed) => {
                self.retry_at = Instant::now() + RETRY_PAUSE;
                self.tries += u32::from(failed.answered);
                if self.tries < MAX_TRIES {
                    tracing::debug!(url = self.shown, "{}", failed.error);
                    self.stuck = Some(failed.error.to_string());
                    self.report_trouble();
                    return Ok(());
                }
                return self.give_up(&failed.error.to_string(), true);
            }
        };
        match unpacked {
            Ok(found) => {
                self.queue(found, planned);
                Ok(())
            }
            Err(UnpackError::Refused(what)) => {
                let refused = refusal(&self.shown, &format!("carries {what}, which genred does not decode"));
                Err(self.leave(refused))
            }
            Err(UnpackError::Damaged(what)) => {
                let part = planned.segment.part.as_ref().map(|part| redact(part.url.as_str()));
                self.give_up(&format!("`{}`: {what}", part.unwrap_or_default()), false)
            }
        }
    }

    /// Queues the audio of a segment, and advances the window.
    fn queue(&mut self, found: UnpackedSegment, planned: DueSegment) {
        let total: usize = found.chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        let (mut corrupt, mut title) = (found.damaged, found.title.or(planned.segment.title));
        corrupt = corrupt.saturating_add(self.window.missed() - self.missed_reported);
        self.missed_reported = self.window.missed();
        let mut begins = planned.end - planned.segment.seconds;
        let changes = if found.changed { AudioJoin::Changes } else { AudioJoin::Continues };
        let mut join = Some(planned.broken.map_or(changes, AudioJoin::Lost));
        for chunk in found.chunks {
            let within = if chunk.broken { AudioJoin::Lost(0.0) } else { AudioJoin::Continues };
            let join = join.take().filter(|join| *join != AudioJoin::Continues).unwrap_or(within);
            let seconds = planned.segment.seconds * chunk.bytes.len() as f64 / total.max(1) as f64;
            begins += seconds;
            self.ready.push(FetchedAudio {
                bytes: chunk.bytes,
                seconds,
                end: begins,
                join,
                title: title.take(),
                corrupt: std::mem::take(&mut corrupt),
            });
        }
        self.ready.reverse();
        self.window.pass();
        self.context.resume_point.set(self.window.next());
        (self.tries, self.bad, self.has_delivered, self.stuck) = (0, 0, true, None);
        self.report_trouble();
    }

    /// Tries another variant unless this one has already delivered audio.
    fn leave(&self, error: SourceError) -> VariantExit {
        if self.has_delivered { VariantExit::Ended(error) } else { VariantExit::Refused(error) }
    }

    /// Passes the initialisation segment to the unpacker if it does not have it yet.
    fn begin(&mut self) -> Result<(), UnpackError> {
        if let Some((_, bytes)) = self.init.as_ref().filter(|_| !self.init_passed) {
            self.unpacker.begin(bytes)?;
        }
        self.init_passed = true;
        Ok(())
    }

    fn load(&mut self, planned: &DueSegment) -> Result<Vec<u8>, RequestError> {
        if self.init.as_ref().map(|(part, _)| part) != planned.segment.init.as_ref() {
            self.init_passed = false;
            self.init = match &planned.segment.init {
                Some(part) => Some((part.clone(), self.load_part(part, MAX_INIT)?)),
                None => None,
            };
        } else if let Some(part) = planned
            .segment
            .init
            .as_ref()
            .filter(|_| planned.segment.discontinuity && self.renewed_for != Some(planned.sequence))
        {
            // Restarted encoders publish another initialisation segment under the same address.
            if let Ok(bytes) = self.load_part(part, MAX_INIT) {
                (self.init, self.init_passed) = (Some((part.clone(), bytes)), false);
            }
        }
        self.renewed_for = Some(planned.sequence);
        match &planned.segment.part {
            Some(part) => self.load_part(part, MAX_SEGMENT),
            None => Ok(Vec::new()),
        }
    }

    fn load_part(&self, part: &ResourceRange, most: usize) -> Result<Vec<u8>, RequestError> {
        let mut part = part.clone();
        client::keep_credentials(&self.url, &mut part.url);
        let patience = PATIENCE.max(Duration::from_secs_f64(self.target));
        load(&part, self.fields, most, patience, self.context).map(|(_, bytes)| bytes)
    }

    /// Reports why no audio arrives. Missing segments take precedence over a late playlist.
    fn report_trouble(&self) {
        self.context.shared.set_trouble(self.stuck.as_deref().or(self.late.as_deref()));
    }

    /// Skips the next segment. `absent` is true if it could not be loaded, false if it is unusable.
    fn give_up(&mut self, why: &str, absent: bool) -> Result<(), VariantExit> {
        tracing::debug!(url = self.shown, "skipping a segment: {why}");
        self.stuck = Some(why.to_owned());
        self.report_trouble();
        self.window.skip();
        (self.tries, self.retry_at) = (0, Instant::now());
        self.bad += 1;
        if self.bad < MAX_BAD {
            return Ok(());
        }
        let what = format!("`{}` has had {MAX_BAD} unusable segments in a row; the last: {why}", self.shown);
        Err(match (self.has_delivered, absent) {
            (true, _) => VariantExit::Ended(SourceError::Transient(what)),
            (false, true) => VariantExit::Refused(SourceError::Transient(what)),
            (false, false) => VariantExit::Refused(SourceError::Unlikely(what)),
        })
    }
}
