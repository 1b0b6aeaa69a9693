//! Source worker: one thread per source. It opens the source, reads it, runs the front end, hands
//! patches to inference, and reopens the source after a failure.

mod enqueue;
mod patch_batcher;
mod reader;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::admission::Admission;
use super::clips::{ClipFeed, ClipRecorder};
use super::error::EngineError;
use super::job::{InferenceJob, WorkItem, WorkerEvent};
use super::live_settings::LiveSettings;
use super::scheduler::WorkSender;
use super::supervisor::{NextAttempt, Supervisor};
use crate::audio::SourceId;
use crate::counters::SourceCounters;
use crate::dsp::{FrontEnd, LogMelParams, PatchParams};
use crate::model::Feed;
use crate::permits::Permits;
use crate::source::{self, ResumePoint, SourceConfig, SourceError};
use crate::tap::SourceTap;
use crate::thread::{self, Stop};
use patch_batcher::PatchBatcher;

/// Longest reason of a failure, in characters.
const MAX_REASON_LENGTH: usize = 500;

/// State of a source worker.
pub(super) struct SourceWorker {
    /// Index of the source.
    pub(crate) id: SourceId,
    /// Configuration of the source.
    pub(crate) config: SourceConfig,
    /// Parameters of the model's front end.
    pub(crate) front_end: LogMelParams,
    /// Input of the trunk.
    pub(crate) feed: Feed,
    /// Settings that may change at run time.
    pub(crate) live: Arc<LiveSettings>,
    /// Enables the measurement of the true peak.
    pub(crate) true_peak: bool,
    /// Time without audio after which the source counts as lost.
    pub(crate) lost_after: Duration,
    /// Delay before the source is opened.
    pub(crate) start_delay: Duration,
    /// Waits for a source that is absent at the start. A single source fails instead: a mistyped
    /// device is reported at once, and a service manager restarts the daemon.
    pub(crate) wait_at_start: bool,
    /// Counters of the source.
    pub(crate) counters: Arc<SourceCounters>,
    /// Watchers of the source.
    pub(crate) tap: Arc<SourceTap>,
    /// Way to the writer of clips; `None` without clips.
    pub(crate) clips: Option<ClipFeed>,
    /// Admission control, which suspends sources under overload.
    pub(crate) admission: Arc<Admission>,
    /// Permits for decoding and analysis.
    pub(crate) permits: Permits,
    /// Queue to inference.
    pub(crate) work: WorkSender,
    /// Jobs that inference has finished with.
    pub(crate) recycled: Receiver<InferenceJob>,
    /// Ends the worker.
    pub(crate) stop: Stop,
}

/// End of one opening of the source.
enum OpeningEnd {
    Ended,
    Stopped,
    Failed(SourceError),
}

/// State that outlives one opening of the source.
struct WorkerState {
    front_end: FrontEnd,
    batcher: PatchBatcher,
    recorder: Option<ClipRecorder>,
    /// Live settings as last read.
    hop_s: f64,
    paused: bool,
    /// End of the last block, in seconds of the source's time, and when it was read.
    position: Option<(f64, Instant)>,
    openings: u64,
    /// True if the last block was skipped.
    skipping: bool,
    /// Title that was reported last.
    title: Option<Arc<str>>,
    resume_point: ResumePoint,
    /// Overruns of earlier openings.
    xruns: u64,
    dropped_at_gaps: u64,
}

impl WorkerState {
    /// Sends the audio that waits for more to the writer of clips.
    fn flush_recorder(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.flush();
        }
    }
}

impl SourceWorker {
    /// Runs until the source has ended or failed for good, or the stop token is set. A panic (in a
    /// decoder, for example) fails this source alone.
    pub(crate) fn run(&self) {
        if std::panic::catch_unwind(AssertUnwindSafe(|| self.process())).is_err() {
            self.report(WorkerEvent::Failed(
                "an internal error; please report it with the lines of the log above".into(),
            ));
        }
    }

    fn process(&self) {
        let hop_s = self.live.hop_s();
        let front_end = match FrontEnd::new(self.id, &self.front_end, &self.feed.patches(hop_s)) {
            Ok(front_end) if self.true_peak => front_end.with_true_peak(),
            Ok(front_end) => front_end,
            Err(error) => return self.report(WorkerEvent::Failed(error.to_string())),
        };
        if self.stop.wait(self.start_delay) {
            return;
        }
        // Hundreds of workers wake up all the time. The inference thread, which all of them wait
        // for, keeps the higher priority.
        thread::step_back();
        let mut state = WorkerState {
            front_end,
            batcher: PatchBatcher::new(&self.feed, self.id),
            recorder: self.clips.clone().map(ClipRecorder::new),
            hop_s,
            paused: false,
            position: None,
            openings: 0,
            skipping: false,
            title: None,
            resume_point: ResumePoint::default(),
            xruns: 0,
            dropped_at_gaps: 0,
        };
        self.supervise(&mut state);
        // Patches of an incomplete group are not scored.
        self.counters.dropped.add(state.batcher.discard_incomplete());
    }

    /// Opens the source again after each failure that may pass.
    fn supervise(&self, state: &mut WorkerState) {
        let mut supervisor = Supervisor::new(
            self.config.reconnect_max,
            self.lost_after,
            self.config.reopens_when_silent(),
            Instant::now(),
        );
        loop {
            supervisor.on_open(Instant::now());
            let end = self.open_and_read(state, &mut supervisor);
            state.flush_recorder();
            let error = match end {
                OpeningEnd::Stopped => return,
                OpeningEnd::Ended => return self.report(WorkerEvent::Ended),
                OpeningEnd::Failed(error) => error,
            };
            self.flush(state);
            let NextAttempt::After(health, pause) =
                supervisor.on_failure(&error, state.openings > 0 || self.wait_at_start)
            else {
                return self.report(WorkerEvent::Failed(reason_of(&error)));
            };
            let reason = reason_of(&error);
            tracing::warn!(
                source = self.config.name,
                health = health.as_str(),
                retry_s = pause.as_secs_f32(),
                "{reason}"
            );
            self.report_title(state, None);
            self.counters.reading.clear();
            self.report(WorkerEvent::Lost { health, reason: reason.into() });
            if self.stop.wait(pause) {
                return;
            }
        }
    }

    /// Opens the source and reads it until it ends or fails.
    fn open_and_read(&self, state: &mut WorkerState, supervisor: &mut Supervisor) -> OpeningEnd {
        self.counters.reading.mark(Instant::now());
        let mut source =
            match source::open::open_at(&self.config, &state.resume_point, Some(&self.permits), &self.stop) {
                Ok(source) => source,
                Err(_) if self.stop.is_set() => return OpeningEnd::Stopped,
                Err(error) => return OpeningEnd::Failed(error),
            };
        self.counters.reconnects.set(state.openings);
        state.openings += 1;
        let mut xruns = 0;
        let end = self.read(source.as_mut(), state, supervisor, &mut xruns);
        state.xruns += xruns;
        end
    }

    /// Sends patches that wait for more audio, which may not come.
    fn flush(&self, state: &mut WorkerState) {
        let WorkerState { front_end, batcher, .. } = state;
        front_end.flush(&mut |view| self.add_patch(batcher, &view, Instant::now()));
        // Audio that follows after all is analysed together with that after the last patch.
        batcher.break_continuity();
        self.counters.produced.set(front_end.counters().produced);
    }

    /// Reports a title that differs from the last one.
    fn report_title(&self, state: &mut WorkerState, title: Option<Arc<str>>) {
        if title != state.title {
            state.title.clone_from(&title);
            self.report(WorkerEvent::Title(title));
        }
    }

    fn is_live(&self) -> bool {
        self.config.is_live()
    }

    fn report(&self, event: WorkerEvent) {
        self.work.send(WorkItem::Event(self.id, event));
    }
}

/// Reason of a failure for people. Parts of it may be the words of a server.
fn reason_of(error: &SourceError) -> String {
    error.to_string().chars().filter(|c| !c.is_control()).take(MAX_REASON_LENGTH).collect()
}

/// Checks that a front end can be built, before any thread starts.
///
/// # Errors
/// A parameter is out of its range.
pub(super) fn check(front_end: &LogMelParams, patches: &PatchParams) -> Result<(), EngineError> {
    let built = FrontEnd::new(SourceId(0), front_end, patches);
    built.map(drop).map_err(|error| EngineError::FrontEnd(error.to_string()))
}
