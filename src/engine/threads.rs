//! Threads of the engine. Each reports its end over a channel, so that nothing polls.

use std::io;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, select, unbounded};

use crate::audio::SourceId;
use crate::thread::{Stop, spawn};

/// Time in which source workers, inference and director end, in total, once the stop token
/// is set.
const PIPELINE_DRAIN_TIMEOUT: Duration = Duration::from_millis(600);

/// Stage of the pipeline that runs on a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Source worker.
    Source(SourceId),
    /// Inference.
    Inference,
    /// Director.
    Director,
    /// Writer of corrections.
    #[cfg_attr(not(feature = "corrections"), allow(dead_code))]
    Corrections,
    /// Writer of clips.
    #[cfg_attr(not(feature = "clips"), allow(dead_code))]
    Clips,
}

impl Stage {
    /// Name in errors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Source(_) => "source",
            Self::Inference => "inference",
            Self::Director => "decision",
            Self::Corrections => "corrections",
            Self::Clips => "clips",
        }
    }
}

/// Reports the end of a thread when dropped, also by a panic.
pub(super) struct EndReport {
    stage: Stage,
    ends: Sender<Stage>,
}

impl Drop for EndReport {
    fn drop(&mut self) {
        let _ = self.ends.send(self.stage);
    }
}

/// The running threads.
pub(super) struct ThreadGroup {
    running: Vec<Stage>,
    reports: Sender<Stage>,
    ends: Receiver<Stage>,
    /// Closes when the stop token is set.
    stopped: Receiver<()>,
    /// Set once the stop token is.
    drain_deadline: Option<Instant>,
}

impl ThreadGroup {
    /// Group without threads, which are to end when `stop` is set.
    pub(crate) fn new(stop: &Stop) -> Self {
        let (reports, ends) = unbounded();
        Self { running: Vec::new(), reports, ends, stopped: stop.channel(), drain_deadline: None }
    }

    /// Starts a thread.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn spawn<T: Send + 'static>(
        &mut self,
        stage: Stage,
        name: &str,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        self.spawn_reporting(stage, name, move |_end| body())
    }

    /// Starts a thread whose `body` decides when its end is reported, by dropping the
    /// [`EndReport`]: before it closes a channel whose closing ends another stage, so that ends are
    /// reported in the order of the pipeline.
    ///
    /// # Errors
    /// The system refuses a thread.
    pub(crate) fn spawn_reporting<T: Send + 'static>(
        &mut self,
        stage: Stage,
        name: &str,
        body: impl FnOnce(EndReport) -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        let end = EndReport { stage, ends: self.reports.clone() };
        let handle = spawn(name, move || body(end))?;
        self.running.push(stage);
        Ok(handle)
    }

    /// Waits until all source workers have ended or the stop token is set. Returns inference or the
    /// director if it ends before that.
    pub(crate) fn wait_for_sources(&mut self) -> Option<Stage> {
        while self.is_running(is_source) {
            select! {
                recv(self.ends) -> stage => {
                    let Ok(stage) = stage else { return None };
                    self.remove(stage);
                    if matches!(stage, Stage::Inference | Stage::Director) {
                        return Some(stage);
                    }
                }
                recv(self.stopped) -> _ => return None,
            }
        }
        None
    }

    /// Waits for the `selected` threads: without limit until the stop token is set, from then on
    /// for [`PIPELINE_DRAIN_TIMEOUT`] in total. Returns false if one still runs.
    pub(crate) fn drain(&mut self, selected: impl Fn(Stage) -> bool + Copy) -> bool {
        while self.drain_deadline.is_none() && self.is_running(selected) {
            select! {
                recv(self.ends) -> stage => stage.into_iter().for_each(|stage| self.remove(stage)),
                recv(self.stopped) -> _ => self.drain_deadline = Some(Instant::now() + PIPELINE_DRAIN_TIMEOUT),
            }
        }
        self.drain_deadline.is_none_or(|deadline| self.wait_until(selected, deadline))
    }

    /// Waits for the `selected` threads until `deadline`. Returns false if one still runs.
    pub(crate) fn wait_until(&mut self, selected: impl Fn(Stage) -> bool + Copy, deadline: Instant) -> bool {
        while self.is_running(selected) {
            match self.ends.recv_deadline(deadline) {
                Ok(stage) => self.remove(stage),
                Err(_) => return false,
            }
        }
        true
    }

    fn is_running(&self, selected: impl Fn(Stage) -> bool) -> bool {
        self.running.iter().any(|stage| selected(*stage))
    }

    fn remove(&mut self, ended: Stage) {
        self.running.retain(|stage| *stage != ended);
    }
}

/// Returns true for source workers.
pub(super) fn is_source(stage: Stage) -> bool {
    matches!(stage, Stage::Source(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn ends_are_reported_in_the_order_of_the_pipeline() {
        let stop = Stop::new().unwrap();
        let mut threads = ThreadGroup::new(&stop);
        let (work, queue) = crossbeam_channel::bounded::<()>(1);
        threads
            .spawn_reporting(Stage::Source(SourceId(0)), "source", move |end| {
                drop(end);
                drop(work);
            })
            .unwrap();
        threads.spawn(Stage::Inference, "inference", move || queue.recv().is_err()).unwrap();
        assert_eq!(threads.wait_for_sources(), None);
        assert!(threads.drain(|stage| stage == Stage::Inference));
    }

    #[test]
    fn a_stage_that_panics_before_its_sources_end_is_found() {
        let stop = Stop::new().unwrap();
        let mut threads = ThreadGroup::new(&stop);
        let waits = stop.clone();
        threads.spawn(Stage::Source(SourceId(0)), "source", move || waits.wait(LONG)).unwrap();
        threads.spawn(Stage::Inference, "inference", || panic!("of the test")).unwrap();
        assert_eq!(threads.wait_for_sources(), Some(Stage::Inference));
        stop.set();
        assert!(threads.drain(|_| true));
    }

    #[test]
    fn a_thread_that_hangs_is_left_behind() {
        let (stop, release) = (Stop::new().unwrap(), Stop::new().unwrap());
        let mut threads = ThreadGroup::new(&stop);
        let hangs = release.clone();
        threads.spawn(Stage::Source(SourceId(0)), "source", move || hangs.wait(LONG)).unwrap();
        stop.set();
        assert_eq!(threads.wait_for_sources(), None);
        let started = Instant::now();
        assert!(!threads.drain(is_source));
        assert!(started.elapsed() >= PIPELINE_DRAIN_TIMEOUT);
        release.set();
        assert!(threads.wait_until(is_source, Instant::now() + LONG));
    }
}
