//! One thread a source: open, read, front end, patches; and open again.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::EngineError;
use crate::audio::{Block, Patch, SourceId, Span};
use crate::backoff::Backoff;
use crate::dsp::{FrontEnd, LogMelParams, PatchParams, PatchView};
use crate::source::{self, Pacing, Read, Source, SourceConfig, SourceError, Uri};
use crate::stats::SourceCounters;
use crate::thread::Stop;

/// Patches of one source that may wait for inference.
pub const IN_FLIGHT: usize = 4;

/// The longest pause before a source is opened anew.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What a source's thread tells the stages after it, in order.
#[derive(Debug)]
pub enum Work {
    /// A patch to score.
    Patch {
        /// The patch.
        patch: Patch,
        /// When the block that completed it had been read.
        arrived: Instant,
    },
    /// Something about the source itself.
    Note(SourceId, Note),
}

/// What happened to a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Audio arrives: for the first time, or again.
    Arriving,
    /// No audio arrives.
    Lost,
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
    /// How patches are cut.
    pub patches: PatchParams,
    /// Silence of this many seconds of clock means `lost`, for sources that arrive in real time.
    pub lost_after: Duration,
    /// Whether a source that is not there at the start is waited for. Alone, it is not: whoever
    /// mistyped a device wants to be told, and a service manager starts the daemon again.
    pub patient: bool,
    /// What it counts.
    pub counters: Arc<SourceCounters>,
    /// Where it sends.
    pub work: Sender<Work>,
    /// Buffers come back here; it begins with [`IN_FLIGHT`] of them.
    pub buffers: Receiver<Vec<f32>>,
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
    /// Where the last block ended, in seconds of the source's own time, and when it was read.
    heard: Option<(f64, Instant)>,
    openings: u64,
    /// Overruns of the openings before this one.
    xruns: u64,
    dropped_at_gaps: u64,
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
        let front_end = match FrontEnd::new(self.id, &self.front_end, &self.patches) {
            Ok(front_end) => front_end,
            Err(error) => return self.note(Note::Failed(error.to_string())),
        };
        let mut course = Course { front_end, heard: None, openings: 0, xruns: 0, dropped_at_gaps: 0 };
        let mut backoff = Backoff::new(LONGEST_PAUSE);
        loop {
            let began = Instant::now();
            let error = match self.listen(&mut course) {
                Outcome::Stopped => return,
                Outcome::Ended => return self.note(Note::Ended),
                Outcome::Failed(error) => error,
            };
            let never_there = course.openings == 0 && !self.patient;
            if !error.is_transient() || never_there {
                return self.note(Note::Failed(error.to_string()));
            }
            let pause = backoff.pause(began.elapsed());
            tracing::warn!(source = self.config.name, retry_s = pause.as_secs_f32(), "{error}");
            self.note(Note::Lost);
            if self.stop.wait(pause) {
                return;
            }
        }
    }

    /// Opens the source and follows it until it ends or fails.
    fn listen(&self, course: &mut Course) -> Outcome {
        let mut source = match source::open(&self.config, &self.stop) {
            Ok(source) => source,
            Err(_) if self.stop.is_set() => return Outcome::Stopped,
            Err(error) => return Outcome::Failed(error),
        };
        self.counters.reconnects.set(course.openings);
        course.openings += 1;
        let mut xruns = 0;
        let outcome = self.pump(source.as_mut(), course, &mut xruns);
        course.xruns += xruns;
        outcome
    }

    fn pump(&self, source: &mut dyn Source, course: &mut Course, xruns: &mut u64) -> Outcome {
        // A first guess: the source sets what it really has.
        let mut block = Block::with_capacity(self.front_end.sample_rate, 2, 4096);
        let mut arriving = false;
        let mut last_audio = Instant::now();
        // A source that is opened anew counts from 0 again; its own time goes on, by the clock.
        let offset = course.heard.map_or(0.0, |(seconds, at)| seconds + at.elapsed().as_secs_f64());
        let mut first = true;
        loop {
            let read = match source.read(&mut block) {
                Ok(read) => read,
                Err(_) if self.stop.is_set() => return Outcome::Stopped,
                Err(error) => return Outcome::Failed(error),
            };
            let arrived = Instant::now();
            match read {
                Read::Audio => {
                    if !arriving {
                        arriving = true;
                        self.note(Note::Arriving);
                    }
                    last_audio = arrived;
                    if course.openings > 1 {
                        let samples = block.rate.samples(offset);
                        block.span =
                            Span { start: block.span.start + samples, end: block.span.end + samples };
                        block.gap |= std::mem::take(&mut first);
                    }
                    course.heard = Some((block.rate.seconds(block.span.end), arrived));
                    let pushed = course.front_end.push(&block, &mut |view| self.emit(view, arrived));
                    if let Err(error) = pushed {
                        return Outcome::Failed(SourceError::Permanent(error.to_string()));
                    }
                }
                Read::Idle => {
                    if arriving && last_audio.elapsed() >= self.lost_after {
                        arriving = false;
                        tracing::warn!(source = self.config.name, "no audio for {:?}", self.lost_after);
                        self.note(Note::Lost);
                    }
                }
                Read::End if self.stop.is_set() => return Outcome::Stopped,
                Read::End => {
                    let finished = course.front_end.finish(&mut |view| self.emit(view, arrived));
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

    /// Carries the front end's and the source's own counts over.
    fn count(&self, course: &mut Course, source: &dyn Source, xruns: &mut u64) {
        let counted = course.front_end.counters();
        self.counters.produced.set(counted.produced);
        self.counters.dropped.add(counted.dropped - course.dropped_at_gaps);
        course.dropped_at_gaps = counted.dropped;
        *xruns = source.xruns();
        self.counters.xruns.set(course.xruns + *xruns);
    }

    /// Sends a patch on. A live source that finds no free buffer drops it; a fast one waits.
    fn emit(&self, view: PatchView<'_>, arrived: Instant) {
        let Some(mut log_mel) = self.buffer() else {
            self.counters.dropped.add(1);
            return;
        };
        log_mel.clear();
        log_mel.extend_from_slice(view.log_mel);
        let patch = Patch {
            source: self.id,
            index: view.index,
            span: view.span,
            ends_at: view.ends_at,
            level: view.level,
            log_mel,
        };
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) =
            self.work.try_send(Work::Patch { patch, arrived })
        {
            // Full cannot be: the queue has room for every buffer. Disconnected: the engine is ending.
            self.counters.dropped.add(1);
        }
    }

    fn buffer(&self) -> Option<Vec<f32>> {
        if self.is_live() {
            return self.buffers.try_recv().ok();
        }
        loop {
            match self.buffers.recv_timeout(Duration::from_millis(100)) {
                Ok(buffer) => return Some(buffer),
                Err(_) if self.stop.is_set() => return None,
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => return None,
            }
        }
    }

    fn is_live(&self) -> bool {
        is_live(&self.config)
    }

    fn note(&self, note: Note) {
        // The queue has room for patches alone; notes are rare, and wait for it.
        let _ = self.work.send(Work::Note(self.id, note));
    }
}

/// Whether audio arrives at its own pace, so that falling behind means skipping.
pub fn is_live(config: &SourceConfig) -> bool {
    match config.uri {
        Uri::Device { .. } => true,
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
