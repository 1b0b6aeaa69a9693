//! Fetching thread: reloads the playlist when it is due, and loads segments while the queue has
//! room.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{SendTimeoutError, Sender};
use url::Url;

use super::LOOK_UP;
use super::feed::{Item, Join, Progress, Sound};
use super::m3u8::{self, Media, Part, Playlist};
use super::segment::{Trouble, Unpacker};
use super::variant;
use super::window::{Planned, Window};
use crate::source::http::client::{self, Failed, Fields};
use crate::source::http::wire::Watch;
use crate::source::{SourceError, process_hint, redact, text};

/// Maximum size of a segment, in bytes.
const MAX_SEGMENT: usize = 16 * 1024 * 1024;

/// Maximum size of an initialisation segment, in bytes.
const MAX_INIT: usize = 1024 * 1024;

/// Timeout of a request; for a segment at least the target duration.
const PATIENCE: Duration = Duration::from_secs(10);

/// Maximum number of variants tried.
const MAX_TRIED: usize = 8;

/// Maximum number of requests for a segment that is missing or incomplete.
const MAX_TRIES: u32 = 3;

/// Delay before a segment is requested again.
const PAUSE: Duration = Duration::from_millis(700);

/// Number of consecutive unusable segments after which the stream fails.
const MAX_BAD: u32 = 5;

/// Time, in target durations plus seconds, that a playlist may stay unchanged or unavailable.
const STANDSTILL: f64 = 3.0;
const STANDSTILL_LONGER: f64 = 10.0;

/// Target durations without a new segment after which the delay is reported.
const LATE: f64 = 1.5;

/// Reason for leaving a variant.
enum Left {
    /// Another variant may be usable.
    Refused(SourceError),
    Ended(SourceError),
}

impl From<SourceError> for Left {
    fn from(error: SourceError) -> Self {
        Self::Ended(error)
    }
}

/// Fetches until the stream ends or is cancelled, and returns the reason.
pub(super) fn run(
    url: &Url,
    text: &str,
    fields: &Fields,
    watch: &Watch,
    sender: &Sender<Item>,
    progress: &Mutex<Progress>,
) -> SourceError {
    let fetcher = |url| Fetcher::new(url, fields, watch, sender, progress);
    let shown = redact(url.as_str());
    let master = match m3u8::parse(text, url) {
        Ok(Playlist::Media(list)) => {
            let (Left::Refused(error) | Left::Ended(error)) = fetcher(url.clone()).follow(list);
            return error;
        }
        Ok(Playlist::Master(master)) => master,
        Err(what) => return SourceError::Unlikely(format!("`{shown}` {what}")),
    };
    let mut urls = match variant::choose(&master) {
        Ok(urls) => urls,
        Err(codecs) => return refusal(&shown, &format!("carries {codecs}, which genred does not decode")),
    };
    urls.truncate(MAX_TRIED);
    let mut last = SourceError::Unlikely(format!("`{shown}` is a master playlist without a variant"));
    for mut variant in urls {
        client::keep_credentials(url, &mut variant);
        if variant == *url {
            last = SourceError::Unlikely(format!("`{shown}` is a playlist that leads back to itself"));
            continue;
        }
        let (found, list) = match playlist(&variant, fields, watch) {
            Ok(found) => found,
            Err(failed) => {
                last = failed.error;
                continue;
            }
        };
        tracing::debug!(url = redact(found.as_str()), "a variant is followed");
        match fetcher(found).follow(list) {
            Left::Refused(error) => last = error,
            Left::Ended(error) => return error,
        }
    }
    last
}

/// Error for content that cannot be decoded, with advice.
fn refusal(shown: &str, what: &str) -> SourceError {
    SourceError::Unlikely(format!("`{shown}` {what}; {}", process_hint(shown)))
}

/// Loads a media playlist; returns its final address and its content.
fn playlist(url: &Url, fields: &Fields, watch: &Watch) -> Result<(Url, Media), Failed> {
    let whole = Part { url: url.clone(), range: None };
    let (url, bytes) = load(&whole, fields, m3u8::MAX_LENGTH, PATIENCE, watch)?;
    let shown = || redact(url.as_str());
    match m3u8::parse(&text::decode(&bytes, None), &url) {
        Ok(Playlist::Media(list)) => Ok((url, list)),
        Ok(Playlist::Master(_)) => Err(Failed {
            answered: true,
            error: SourceError::Unlikely(format!("`{}` is a master playlist below another", shown())),
        }),
        Err(what) => {
            Err(Failed { answered: true, error: SourceError::Unlikely(format!("`{}` {what}", shown())) })
        }
    }
}

/// Loads a resource, or a range of one, of at most `most` bytes.
fn load(
    part: &Part,
    fields: &Fields,
    most: usize,
    patience: Duration,
    watch: &Watch,
) -> Result<(Url, Vec<u8>), Failed> {
    let shown = redact(part.url.as_str());
    let response = client::get_part(&part.url, fields, part.range, watch)?;
    let mut body = response.body;
    body.set_deadline(Some(Instant::now() + patience));
    let broken = |error: std::io::Error| {
        Failed::answered(format!("`{shown}` broke off: {}", redact(&error.to_string())))
    };
    let too_long = || Failed::answered(format!("`{shown}` is longer than {} MiB", most >> 20));
    let wanted = match part.range {
        None => None,
        Some((_, length)) => Some(usize::try_from(length).ok().filter(|n| *n <= most).ok_or_else(too_long)?),
    };
    if let Some((start, _)) = part.range.filter(|_| !response.is_part) {
        // The server sends the whole resource.
        let before = body.by_ref().take(start);
        std::io::copy(&mut { before }, &mut std::io::sink()).map_err(broken)?;
    }
    let mut bytes = Vec::new();
    body.take(wanted.unwrap_or(most + 1) as u64).read_to_end(&mut bytes).map_err(broken)?;
    if bytes.len() > most {
        return Err(too_long());
    }
    if wanted.is_some_and(|wanted| bytes.len() < wanted) {
        return Err(Failed::answered(format!("`{shown}` is shorter than its playlist says")));
    }
    Ok((response.url, bytes))
}

/// State of one media playlist.
struct Fetcher<'a> {
    url: Url,
    shown: String,
    fields: &'a Fields,
    watch: &'a Watch,
    sender: &'a Sender<Item>,
    progress: &'a Mutex<Progress>,
    window: Window,
    unpacker: Unpacker,
    /// Initialisation segment, once loaded.
    init: Option<(Arc<Part>, Vec<u8>)>,
    /// Number of the segment with a discontinuity for which it was reloaded.
    renewed_for: Option<u64>,
    /// True if the unpacker has received the initialisation segment.
    begun: bool,
    target: f64,
    /// Unpacked audio that has not been sent yet, in reverse order.
    ready: Vec<Sound>,
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
    told: u64,
    heard: bool,
}

impl<'a> Fetcher<'a> {
    fn new(
        url: Url,
        fields: &'a Fields,
        watch: &'a Watch,
        sender: &'a Sender<Item>,
        progress: &'a Mutex<Progress>,
    ) -> Self {
        let now = Instant::now();
        Self {
            shown: redact(url.as_str()),
            url,
            fields,
            watch,
            sender,
            progress,
            window: Window::from(watch.bookmark.next()),
            unpacker: Unpacker::default(),
            init: None,
            renewed_for: None,
            begun: false,
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
            told: 0,
            heard: false,
        }
    }

    fn follow(mut self, list: Media) -> Left {
        if list.ended && list.sequence > 0 && !list.is_vod {
            return Left::Ended(self.transient("has ended"));
        }
        if list.i_frames_only {
            return Left::Refused(refusal(&self.shown, "holds pictures for seeking, and no sound"));
        }
        self.take_in(list, Instant::now());
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
    fn step(&mut self) -> Result<(), Left> {
        self.watch.check().map_err(|error| self.transient(&error.to_string()))?;
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
        if let Some(sound) = self.ready.pop() {
            match self.sender.send_timeout(Item::Sound(sound), LOOK_UP) {
                Ok(()) => {}
                Err(SendTimeoutError::Timeout(Item::Sound(sound))) => self.ready.push(sound),
                Err(_) => return Err(self.transient("is not wanted any more").into()),
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
        self.watch.stop.wait(waits_for.saturating_duration_since(now).min(LOOK_UP));
        Ok(())
    }

    fn reload(&mut self, now: Instant) -> Result<(), Left> {
        match playlist(&self.url, self.fields, self.watch) {
            Ok((_, list)) => {
                self.take_in(list, now);
                let standstill = self.advanced.elapsed();
                let is_late = standstill.as_secs_f64() > LATE * self.target && !self.window.is_last();
                let what = || format!("`{}` has had nothing new for {} s", self.shown, standstill.as_secs());
                self.late = is_late.then(what);
                self.tell();
                let longest = Duration::from_secs_f64(STANDSTILL * self.target + STANDSTILL_LONGER);
                if let Some(late) = self.late.take_if(|_| standstill > longest) {
                    return Err(SourceError::Transient(late).into());
                }
            }
            Err(failed) => {
                tracing::debug!(url = self.shown, "{}", failed.error);
                self.late = Some(failed.error.to_string());
                self.tell();
                let longest = Duration::from_secs_f64(STANDSTILL * self.target + STANDSTILL_LONGER);
                if self.answered.elapsed() > longest {
                    return Err(failed.error.into());
                }
                self.reload_at = now + Duration::from_secs_f64((self.target / 2.0).clamp(0.5, 5.0));
            }
        }
        Ok(())
    }

    /// Applies a playlist that was requested at `asked`.
    fn take_in(&mut self, list: Media, asked: Instant) {
        self.target = list.target;
        let is_new = self.window.update(list);
        self.answered = Instant::now();
        if is_new {
            self.advanced = self.answered;
        }
        let share = if is_new { 1.0 } else { 0.5 };
        self.reload_at = asked + Duration::from_secs_f64((self.target * share).max(0.5));
        let edge = (!self.window.is_last()).then(|| self.window.edge());
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        *progress = Progress { edge, target: self.target };
    }

    /// Loads and unpacks a segment.
    fn fetch(&mut self, planned: Planned) -> Result<(), Left> {
        if let Some(method) = &planned.segment.encryption {
            let refused = refusal(&self.shown, &format!("is encrypted ({method}), which is not read here"));
            return Err(self.leave(refused));
        }
        if let Some(part) = planned.segment.part.as_ref().filter(|_| self.stuck.is_none()) {
            self.stuck = Some(format!("`{}` does not come", redact(part.url.as_str())));
            self.tell();
        }
        let unpacked = match self.load(&planned) {
            Ok(bytes) => {
                if planned.broken.is_some() {
                    self.unpacker.reset();
                    self.begun = false;
                } else if planned.segment.discontinuity {
                    self.unpacker.announce_change();
                    self.begun = false;
                }
                self.begin().and_then(|()| self.unpacker.unpack(&bytes))
            }
            Err(failed) => {
                self.retry_at = Instant::now() + PAUSE;
                self.tries += u32::from(failed.answered);
                if self.tries < MAX_TRIES {
                    tracing::debug!(url = self.shown, "{}", failed.error);
                    self.stuck = Some(failed.error.to_string());
                    self.tell();
                    return Ok(());
                }
                return self.give_up(&failed.error.to_string(), true);
            }
        };
        match unpacked {
            Ok(found) => {
                let total: usize = found.pieces.iter().map(|piece| piece.bytes.len()).sum();
                let (mut corrupt, mut title) = (found.damaged, found.title.or(planned.segment.title));
                corrupt = corrupt.saturating_add(self.window.missed() - self.told);
                self.told = self.window.missed();
                let mut begins = planned.end - planned.segment.seconds;
                let changes = if found.changed { Join::Changes } else { Join::Continues };
                let mut join = Some(planned.broken.map_or(changes, Join::Lost));
                for piece in found.pieces {
                    let within = if piece.broken { Join::Lost(0.0) } else { Join::Continues };
                    let join = join.take().filter(|join| *join != Join::Continues).unwrap_or(within);
                    let seconds = planned.segment.seconds * piece.bytes.len() as f64 / total.max(1) as f64;
                    begins += seconds;
                    self.ready.push(Sound {
                        bytes: piece.bytes,
                        seconds,
                        end: begins,
                        join,
                        title: title.take(),
                        corrupt: std::mem::take(&mut corrupt),
                    });
                }
                self.ready.reverse();
                self.window.pass();
                self.watch.bookmark.set(self.window.next());
                (self.tries, self.bad, self.heard, self.stuck) = (0, 0, true, None);
                self.tell();
                Ok(())
            }
            Err(Trouble::Refused(what)) => {
                let refused = refusal(&self.shown, &format!("carries {what}, which genred does not decode"));
                Err(self.leave(refused))
            }
            Err(Trouble::Damaged(what)) => {
                let part = planned.segment.part.as_ref().map(|part| redact(part.url.as_str()));
                self.give_up(&format!("`{}`: {what}", part.unwrap_or_default()), false)
            }
        }
    }

    /// Tries another variant unless this one has already delivered audio.
    fn leave(&self, error: SourceError) -> Left {
        if self.heard { Left::Ended(error) } else { Left::Refused(error) }
    }

    /// Passes the initialisation segment to the unpacker if it does not have it yet.
    fn begin(&mut self) -> Result<(), Trouble> {
        if let Some((_, bytes)) = self.init.as_ref().filter(|_| !self.begun) {
            self.unpacker.begin(bytes)?;
        }
        self.begun = true;
        Ok(())
    }

    fn load(&mut self, planned: &Planned) -> Result<Vec<u8>, Failed> {
        if self.init.as_ref().map(|(part, _)| part) != planned.segment.init.as_ref() {
            self.begun = false;
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
                (self.init, self.begun) = (Some((part.clone(), bytes)), false);
            }
        }
        self.renewed_for = Some(planned.sequence);
        match &planned.segment.part {
            Some(part) => self.load_part(part, MAX_SEGMENT),
            None => Ok(Vec::new()),
        }
    }

    fn load_part(&self, part: &Part, most: usize) -> Result<Vec<u8>, Failed> {
        let mut part = part.clone();
        client::keep_credentials(&self.url, &mut part.url);
        let patience = PATIENCE.max(Duration::from_secs_f64(self.target));
        load(&part, self.fields, most, patience, self.watch).map(|(_, bytes)| bytes)
    }

    /// Reports why no audio arrives. Missing segments take precedence over a late playlist.
    fn tell(&self) {
        self.watch.shared.set_trouble(self.stuck.as_deref().or(self.late.as_deref()));
    }

    /// Skips the next segment. `absent` is true if it could not be loaded, false if it is unusable.
    fn give_up(&mut self, why: &str, absent: bool) -> Result<(), Left> {
        tracing::debug!(url = self.shown, "a segment is skipped: {why}");
        self.stuck = Some(why.to_owned());
        self.tell();
        self.window.skip();
        (self.tries, self.retry_at) = (0, Instant::now());
        self.bad += 1;
        if self.bad < MAX_BAD {
            return Ok(());
        }
        let what =
            format!("`{}` has had {MAX_BAD} segments in a row that are no use, the last: {why}", self.shown);
        Err(match (self.heard, absent) {
            (true, _) => Left::Ended(SourceError::Transient(what)),
            (false, true) => Left::Refused(SourceError::Transient(what)),
            (false, false) => Left::Refused(SourceError::Unlikely(what)),
        })
    }
}
