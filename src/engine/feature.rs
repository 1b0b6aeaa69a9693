//! One thread a source: open, read, front end, patches; and open again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::EngineError;
use super::admission::Admission;
use super::batcher::Inlet;
use super::control::Dials;
use super::pace::{Pace, PaceMonitor};
use super::supervisor::{Health, Next, Quiet, Supervisor};
use crate::audio::{Block, Patch, SourceId, Span};
use crate::dsp::{FrontEnd, LogMelParams, PatchParams, PatchView};
use crate::model::{Cutter, Feed, Stretch};
use crate::permits;
use crate::source::{self, Pacing, Read, ResumePoint, Source, SourceConfig, SourceError, Uri};
use crate::stats::SourceCounters;
use crate::thread::{self, Stop};

/// Parcels of one source that may wait for inference.
pub const IN_FLIGHT: usize = 4;

/// Age at which a live source's patches are dropped, not scored: newer ones wait behind them.
const MAX_AGE: Duration = Duration::from_millis(1500);

/// The longest reason of a failure, in characters.
const LONGEST_REASON: usize = 500;

/// What a source's thread tells the stages after it, in order.
#[derive(Debug)]
pub enum Work {
    /// Patches to score.
    Parcel(Parcel),
    /// Something about the source itself.
    Note(SourceId, Note),
}

/// Patches that are scored together, and what they are made of.
#[derive(Debug, Default)]
pub struct Parcel {
    /// What goes through the trunk.
    pub stretch: Stretch,
    /// The patches that it ends with, and when the block with the last sample that each one needs had been read.
    pub patches: Vec<(Patch, Instant)>,
    /// Whether it came back without an answer: what follows must not be built upon it.
    pub failed: bool,
    /// Time after which scoring it is of no use, for live sources.
    pub deadline: Option<Instant>,
}

/// What happened to a source.
#[derive(Debug, Clone, PartialEq)]
pub enum Note {
    /// Audio arrives: for the first time, or again.
    Arriving,
    /// No audio arrives.
    Lost {
        /// How the source is.
        health: Health,
        /// Why, for people.
        reason: Arc<str>,
    },
    /// Audio arrives slower than real time, or no longer so.
    Pace(Pace),
    /// What is being played, as the stream says; nothing, where it says nothing any more.
    Title(Option<Arc<str>>),
    /// It was finite, and has ended.
    Ended,
    /// It will not come back; the reason is for people.
    Failed(String),
}

/// Everything a source's thread owns.
pub struct Feature {
    /// Its index.
    pub id: SourceId,
    /// What it reads.
    pub config: SourceConfig,
    /// The model's front end.
    pub front_end: LogMelParams,
    /// What a subscriber may change while it runs.
    pub dials: Arc<Dials>,
    /// How the model wants them.
    pub feed: Feed,
    /// Whether its true peak is measured.
    pub true_peak: bool,
    /// Silence of this many seconds of clock means `lost`, for sources that arrive in real time.
    pub lost_after: Duration,
    /// How long it waits before it begins.
    pub begins_after: Duration,
    /// Whether a source that is not there at the start is waited for. Alone, it is not: whoever
    /// mistyped a device wants to be told, and a service manager starts the daemon again.
    pub patient: bool,
    /// What it counts.
    pub counters: Arc<SourceCounters>,
    /// Beyond the capacity of the machine, its turns to be analysed.
    pub admission: Arc<Admission>,
    /// Where it sends.
    pub work: Inlet,
    /// Parcels come back here; there are [`IN_FLIGHT`] of them.
    pub parcels: Receiver<Parcel>,
    /// Ends it.
    pub stop: Stop,
}

/// How one opening of the source went.
enum Outcome {
    Ended,
    Stopped,
    Failed(SourceError),
}

/// What outlives one opening of the source.
struct Course {
    front_end: FrontEnd,
    packer: Packer,
    /// As the dials were when last looked at.
    hop: f64,
    paused: bool,
    /// Where the last block ended, in seconds of the source's own time, and when it was read.
    heard: Option<(f64, Instant)>,
    openings: u64,
    /// True if the last block was skipped.
    skipping: bool,
    /// The title that was told last.
    title: Option<Arc<str>>,
    bookmark: ResumePoint,
    /// Overruns of the openings before this one.
    xruns: u64,
    dropped_at_gaps: u64,
}

/// What becomes of patches.
struct Packer {
    cutter: Cutter,
    /// The parcel that is being filled.
    parcel: Option<Parcel>,
    /// Parcels at hand, last used last: those that are never needed never grow.
    free: Vec<Parcel>,
    /// Where the newest block ends, in seconds of the source.
    block_end: f64,
}

impl Feature {
    /// Runs until the source has ended, failed for good, or the stop token is set.
    ///
    /// A panic below (in a decoder, say) ends this source and no other.
    pub fn run(self) {
        if std::panic::catch_unwind(AssertUnwindSafe(|| self.follow())).is_err() {
            self.note(Note::Failed(
                "an internal error; please report it with the lines of the log above".into(),
            ));
        }
    }

    fn follow(&self) {
        let hop = self.dials.hop();
        let front_end = match FrontEnd::new(self.id, &self.front_end, &self.feed.patches(hop)) {
            Ok(front_end) if self.true_peak => front_end.with_true_peak(),
            Ok(front_end) => front_end,
            Err(error) => return self.note(Note::Failed(error.to_string())),
        };
        if self.stop.wait(self.begins_after) {
            return;
        }
        // Hundreds of sources wake up all the time; the one thread that all of them wait for goes first.
        thread::step_back();
        let SourceId(index) = self.id;
        let free = (0..IN_FLIGHT).map(|_| Parcel::default()).collect();
        let packer = Packer { cutter: Cutter::new(&self.feed, index), parcel: None, free, block_end: 0.0 };
        let mut course = Course {
            front_end,
            packer,
            hop,
            paused: false,
            heard: None,
            openings: 0,
            skipping: false,
            title: None,
            bookmark: ResumePoint::default(),
            xruns: 0,
            dropped_at_gaps: 0,
        };
        self.listen_again(&mut course);
        // What waits for the rest of its group, which will not come.
        if let Some(parcel) = course.packer.parcel {
            self.counters.dropped.add(parcel.patches.len() as u64);
        }
    }

    fn listen_again(&self, course: &mut Course) {
        let gives_up = matches!(self.config.uri, Uri::Http(_) | Uri::Process(_));
        let mut supervisor =
            Supervisor::new(self.config.reconnect_max, self.lost_after, gives_up, Instant::now());
        loop {
            supervisor.opens(Instant::now());
            let error = match self.listen(course, &mut supervisor) {
                Outcome::Stopped => return,
                Outcome::Ended => return self.note(Note::Ended),
                Outcome::Failed(error) => error,
            };
            self.flush(course);
            let Next::Again(health, pause) = supervisor.fails(&error, course.openings > 0 || self.patient)
            else {
                return self.note(Note::Failed(told(&error)));
            };
            let reason = told(&error);
            tracing::warn!(
                source = self.config.name,
                health = health.as_str(),
                retry_s = pause.as_secs_f32(),
                "{reason}"
            );
            self.tell_title(course, None);
            self.note(Note::Lost { health, reason: reason.into() });
            if self.stop.wait(pause) {
                return;
            }
        }
    }

    /// Opens the source and follows it until it ends or fails.
    fn listen(&self, course: &mut Course, supervisor: &mut Supervisor) -> Outcome {
        let mut source = match source::open::open_at(&self.config, &course.bookmark, &self.stop) {
            Ok(source) => source,
            Err(_) if self.stop.is_set() => return Outcome::Stopped,
            Err(error) => return Outcome::Failed(error),
        };
        self.counters.reconnects.set(course.openings);
        course.openings += 1;
        let mut xruns = 0;
        let outcome = self.pump(source.as_mut(), course, supervisor, &mut xruns);
        course.xruns += xruns;
        outcome
    }

    fn pump(
        &self,
        source: &mut dyn Source,
        course: &mut Course,
        supervisor: &mut Supervisor,
        xruns: &mut u64,
    ) -> Outcome {
        // A first guess: the source sets what it really has.
        let mut block = Block::with_capacity(self.front_end.sample_rate, 2, 4096);
        // A source that is opened anew counts from 0 again; its own time goes on, by the clock.
        let offset = course.heard.map_or(0.0, |(seconds, at)| seconds + at.elapsed().as_secs_f64());
        let mut first = true;
        let mut pace = PaceMonitor::default();
        loop {
            let admitted = !course.paused && (!self.is_live() || self.admission.admits(self.id));
            let read = if admitted { source.read(&mut block) } else { source.skip(&mut block) };
            let read = match read {
                Ok(read) => read,
                Err(_) if self.stop.is_set() => return Outcome::Stopped,
                Err(error) => return Outcome::Failed(error),
            };
            let arrived = Instant::now();
            match read {
                Read::Audio => {
                    if supervisor.hears(arrived) {
                        self.note(Note::Arriving);
                    }
                    self.tell_title(course, source.title());
                    if course.openings > 1 {
                        let samples = block.rate.samples(offset);
                        block.span =
                            Span { start: block.span.start + samples, end: block.span.end + samples };
                        block.gap |= std::mem::take(&mut first);
                    }
                    course.heard = Some((block.rate.seconds(block.span.end), arrived));
                    block.gap |= self.look_at_dials(course);
                    if course.paused {
                        pace.reset();
                        continue;
                    }
                    self.watch_pace(&mut pace, &block, source.waited(), arrived);
                    if block.interleaved.is_empty() {
                        self.skip(course, block.rate.seconds(block.span.len()));
                        self.count(course, source, xruns);
                        continue;
                    }
                    // Also where the source itself knows nothing of it.
                    block.gap |= std::mem::take(&mut course.skipping);
                    let Course { front_end, packer, .. } = &mut *course;
                    packer.block_end = block.rate.seconds(block.span.end);
                    // A source that may wait for parcels must not hold up the others meanwhile.
                    let _permit = self.is_live().then(permits::acquire);
                    let pushed = front_end.push(&block, &mut |view| self.pack(packer, &view, arrived));
                    let analysed = Duration::from_secs_f64(block.rate.seconds(block.span.len()));
                    self.admission.count(analysed, source.lag());
                    if let Err(error) = pushed {
                        return Outcome::Failed(SourceError::Permanent(error.to_string()));
                    }
                }
                Read::Idle => match supervisor.waits(arrived) {
                    Quiet::Waits => {}
                    Quiet::Stalled(quiet) => {
                        pace.reset();
                        self.flush(course);
                        let mut reason = format!("no sound for {:.1} s", quiet.as_secs_f64());
                        if let Some(trouble) = source.trouble() {
                            reason.push_str(": ");
                            reason.push_str(&trouble);
                        }
                        tracing::warn!(
                            source = self.config.name,
                            health = Health::Stalled.as_str(),
                            "{reason}"
                        );
                        self.note(Note::Lost { health: Health::Stalled, reason: reason.into() });
                    }
                    Quiet::GivenUp(quiet) => {
                        let trouble = source.trouble();
                        return Outcome::Failed(SourceError::Transient(format!(
                            "no sound from `{}` for {:.1} s: {}",
                            self.config.uri,
                            quiet.as_secs_f64(),
                            trouble.as_deref().unwrap_or("the connection is given up")
                        )));
                    }
                },
                Read::End if self.stop.is_set() => return Outcome::Stopped,
                Read::End if course.paused => {
                    self.count(course, source, xruns);
                    return Outcome::Ended;
                }
                Read::End => {
                    let Course { front_end, packer, .. } = &mut *course;
                    let finished = front_end.finish(&mut |view| self.pack(packer, &view, arrived));
                    self.count(course, source, xruns);
                    return match finished {
                        Ok(()) => Outcome::Ended,
                        Err(error) => {
                            Outcome::Failed(SourceError::Permanent(format!("`{}`: {error}", self.config.uri)))
                        }
                    };
                }
            }
            self.count(course, source, xruns);
        }
    }

    /// Reports a live source that becomes slower than real time, or is no longer.
    fn watch_pace(&self, pace: &mut PaceMonitor, block: &Block, waited: Duration, now: Instant) {
        if self.config.start.is_some() {
            return;
        }
        let Some(change) = pace.hears(now, block.rate.seconds(block.span.len()), waited) else { return };
        let source = &self.config.name;
        match change {
            Pace::Slow { rate } => {
                tracing::warn!(source, health = Health::Slow.as_str(), "{}", Pace::reason(rate));
            }
            Pace::Steady => tracing::info!(source, "audio arrives in real time again"),
        }
        self.note(Note::Pace(change));
    }

    /// Tells of another title than the one told last.
    fn tell_title(&self, course: &mut Course, title: Option<Arc<str>>) {
        if title != course.title {
            course.title.clone_from(&title);
            self.note(Note::Title(title));
        }
    }

    /// Follows what a subscriber has changed; whether sound begins anew by it.
    fn look_at_dials(&self, course: &mut Course) -> bool {
        let (hop, paused) = (self.dials.hop(), self.dials.is_paused());
        let resumes = std::mem::replace(&mut course.paused, paused) && !paused;
        if paused {
            self.discard(course);
        }
        let changes = hop != course.hop;
        if changes {
            self.flush(course);
            // Checked when it was set.
            if let Err(error) = course.front_end.set_patches(&self.feed.patches(hop)) {
                tracing::error!(source = self.config.name, "{error}");
            }
            course.hop = hop;
        }
        changes || resumes
    }

    /// Drops what waits for more sound: it would be heard as if it came when the source goes on.
    fn discard(&self, course: &mut Course) {
        let Course { front_end, packer, .. } = course;
        front_end.discard();
        if let Some(parcel) = packer.parcel.take() {
            self.counters.dropped.add(parcel.patches.len() as u64);
            packer.free.push(parcel);
        }
        packer.cutter.lost();
    }

    /// Accounts for `seconds` of skipped audio; patches that only wait for more are scored as they are.
    fn skip(&self, course: &mut Course, seconds: f64) {
        if !std::mem::replace(&mut course.skipping, true) {
            self.flush(course);
        }
        course.front_end.skip(seconds);
        self.counters.skipped_ms.add((seconds * 1000.0).round() as u64);
    }

    /// Sends on what only waits for sound that may not come.
    fn flush(&self, course: &mut Course) {
        let Course { front_end, packer, .. } = course;
        front_end.flush(&mut |view| self.pack(packer, &view, Instant::now()));
        // Should the sound go on after all, it is heard anew, with what came after the last patch.
        packer.cutter.lost();
        self.counters.produced.set(front_end.counters().produced);
    }

    /// Carries the front end's and the source's own counts over.
    fn count(&self, course: &mut Course, source: &dyn Source, xruns: &mut u64) {
        let counted = course.front_end.counters();
        self.counters.produced.set(counted.produced);
        self.counters.dropped.add(counted.dropped - course.dropped_at_gaps);
        course.dropped_at_gaps = counted.dropped;
        *xruns = source.xruns();
        self.counters.xruns.set(course.xruns + *xruns);
    }

    /// Adds a patch to the parcel, and sends that on once it is whole.
    fn pack(&self, packer: &mut Packer, view: &PatchView<'_>, arrived: Instant) {
        let Some(mut parcel) = packer.parcel.take().or_else(|| self.parcel(packer)) else {
            packer.cutter.lost();
            self.counters.dropped.add(1);
            return;
        };
        // Live sound that came after what the patch needs has kept it waiting as long as it lasts.
        let late = if self.is_live() { (packer.block_end - view.received_to_s).max(0.0) } else { 0.0 };
        let needed_at = arrived.checked_sub(Duration::from_secs_f64(late)).unwrap_or(arrived);
        parcel.patches.push((view.patch, needed_at));
        if packer.cutter.add(view, &mut parcel.stretch) {
            parcel.deadline = self.is_live().then(|| needed_at + MAX_AGE);
            self.work.send(Work::Parcel(parcel));
        } else {
            packer.parcel = Some(parcel);
        }
    }

    /// An empty parcel. A live source that has none left takes back what waits, which counts as dropped, and skips
    /// ahead; a fast one waits.
    fn parcel(&self, packer: &mut Packer) -> Option<Parcel> {
        let Packer { cutter, free, .. } = packer;
        for parcel in self.parcels.try_iter() {
            if parcel.failed {
                cutter.lost();
            }
            free.push(parcel);
        }
        if free.is_empty() && self.is_live() {
            self.work.take_back(|parcel| {
                self.counters.dropped.add(parcel.patches.len() as u64);
                free.push(parcel);
            });
            cutter.lost();
        }
        while free.is_empty() && !self.is_live() && !self.stop.is_set() {
            match self.parcels.recv_timeout(Duration::from_millis(100)) {
                Ok(parcel) => {
                    if parcel.failed {
                        cutter.lost();
                    }
                    free.push(parcel);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let mut parcel = free.pop()?;
        parcel.stretch.clear();
        parcel.patches.clear();
        parcel.failed = false;
        Some(parcel)
    }

    fn is_live(&self) -> bool {
        is_live(&self.config)
    }

    fn note(&self, note: Note) {
        self.work.send(Work::Note(self.id, note));
    }
}

/// What people are told of a failure: parts of it may be a server's own words.
fn told(error: &SourceError) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect()
}

/// Whether audio arrives at its own pace, so that falling behind means skipping.
pub fn is_live(config: &SourceConfig) -> bool {
    match config.uri {
        Uri::Device { .. } | Uri::Http(_) | Uri::Process(_) => true,
        Uri::File(_) => config.pacing == Pacing::Realtime,
        // A pipe waits for its reader: nothing is lost by letting it.
        Uri::Stdin(_) => false,
    }
}

/// Checks that a front end can be built, before any thread starts.
///
/// # Errors
/// When hop or parameters are out of range.
pub fn check(front_end: &LogMelParams, patches: &PatchParams) -> Result<(), EngineError> {
    let made = FrontEnd::new(SourceId(0), front_end, patches);
    made.map(drop).map_err(|error| EngineError::FrontEnd(error.to_string()))
}
