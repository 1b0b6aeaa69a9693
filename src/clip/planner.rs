//! Planner of one source: chooses the clip of each event. The director owns it, since an event
//! carries the name of its clip when it is published.
//!
//! Clips that would overlap share a file: while a clip is open, an event extends it, up to
//! [`MAX_CLIP_S`]. A clip is open until the decisions have passed its end.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_channel::Sender;
use jiff::Timestamp;

use super::config::ClipConfig;
use super::job::{ClipJob, ClipRecord};
use crate::audio::SourceId;
use crate::counters::ClipCounters;
use crate::event::{ClipFileName, ClipPath, EventType};

/// Longest clip, in seconds. An event that would make it longer begins another file.
const MAX_CLIP_S: f64 = 600.0;

/// Planner of one source. Times are in seconds of the source.
pub(crate) struct ClipPlanner {
    id: SourceId,
    source: Arc<str>,
    config: ClipConfig,
    jobs: Sender<ClipJob>,
    counters: Arc<ClipCounters>,
    /// Time up to which decisions are made; `None` before the first one.
    position_s: Option<f64>,
    open: Option<PlannedClip>,
    /// Jobs that the full queue has refused: at most one per clip.
    refused: VecDeque<ClipJob>,
}

/// Clip that an event may still extend.
struct PlannedClip {
    file: ClipFileName,
    start_s: f64,
    until_s: f64,
}

impl ClipPlanner {
    pub(super) fn new(
        id: SourceId,
        source: Arc<str>,
        config: ClipConfig,
        jobs: Sender<ClipJob>,
        counters: Arc<ClipCounters>,
    ) -> Self {
        let refused = VecDeque::new();
        Self { id, source, config, jobs, counters, position_s: None, open: None, refused }
    }

    /// Sets the time to which the next events belong.
    pub(crate) fn reach(&mut self, position_s: f64) {
        self.position_s = Some(position_s);
    }

    /// Returns the clip of an event at the present time, and has it written.
    pub(crate) fn clip_of(&mut self, event_type: EventType, seq: u64, at: Timestamp) -> Option<ClipPath> {
        let event_s = self.position_s.filter(|_| self.config.events.contains(&event_type))?;
        let until_s = event_s + self.config.post_roll_s;
        let shared = self.open.as_ref().filter(|open| {
            event_s <= open.until_s && until_s - open.start_s <= MAX_CLIP_S && event_s >= open.start_s
        });
        let file = match shared {
            Some(open) => open.file.clone(),
            None => ClipFileName::new(at, event_type, seq, self.config.format),
        };
        let is_new = shared.is_none();
        let record = ClipRecord { source: self.id, file: file.clone(), event_type, at, event_s, until_s };
        if !self.send(ClipJob::Record(record)) {
            self.counters.failed.add(1);
            return None;
        }
        if is_new {
            self.close();
            let start_s = event_s - self.config.pre_roll_s;
            self.open = Some(PlannedClip { file: file.clone(), start_s, until_s });
        } else if let Some(open) = &mut self.open {
            open.until_s = open.until_s.max(until_s);
        }
        Some(ClipPath::new(self.source.clone(), file))
    }

    /// Closes the open clip if the present time has passed its end. Called after the events of that
    /// time.
    pub(crate) fn close_passed(&mut self) {
        let position_s = self.position_s.unwrap_or_default();
        if self.open.as_ref().is_some_and(|open| position_s >= open.until_s) {
            self.close();
        }
        self.retry();
    }

    /// Ends the open clip: no audio follows for now.
    pub(crate) fn cut(&mut self) {
        if self.open.take().is_some() {
            self.refused.push_back(ClipJob::Cut(self.id));
        }
        self.retry();
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.refused.push_back(ClipJob::Close(self.id, open.file));
        }
        self.retry();
    }

    /// Sends a job, after those that were refused. Returns false if the queue is full.
    fn send(&mut self, job: ClipJob) -> bool {
        self.retry();
        self.refused.is_empty() && self.jobs.try_send(job).is_ok()
    }

    fn retry(&mut self) {
        while let Some(job) = self.refused.front() {
            if self.jobs.try_send(job.clone()).is_err_and(|error| error.is_full()) {
                return;
            }
            self.refused.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam_channel::{Receiver, bounded};

    const DEAD_AIR: EventType = EventType::DeadAirStarted;
    const LOST: EventType = EventType::SourceLost;

    fn planner(queue: usize) -> (ClipPlanner, Receiver<ClipJob>) {
        let (jobs, received) = bounded(queue);
        let config = ClipConfig { enabled: true, ..ClipConfig::default() };
        (ClipPlanner::new(SourceId(0), "fm1".into(), config, jobs, Arc::default()), received)
    }

    fn file_at(
        planner: &mut ClipPlanner,
        position_s: f64,
        event_type: EventType,
        seq: u64,
    ) -> Option<String> {
        planner.reach(position_s);
        let at = Timestamp::from_millisecond((position_s * 1e3) as i64).unwrap();
        let clip = planner.clip_of(event_type, seq, at);
        planner.close_passed();
        clip.map(|clip| clip.file().to_string())
    }

    #[test]
    fn overlapping_events_share_a_file() {
        let (mut planner, jobs) = planner(64);
        assert_eq!(planner.clip_of(DEAD_AIR, 1, Timestamp::UNIX_EPOCH), None, "before the first patch");
        let first = file_at(&mut planner, 100.0, DEAD_AIR, 1).unwrap();
        assert!(first.starts_with("19700101T000140.000Z-dead_air_started-1."), "{first}");
        assert_eq!(file_at(&mut planner, 101.0, EventType::GenreChanged, 2), None, "not chosen");
        assert_eq!(file_at(&mut planner, 114.0, LOST, 3), Some(first.clone()));
        assert_eq!(jobs.try_iter().count(), 2, "open until 129 s");
        assert_eq!(file_at(&mut planner, 128.0, EventType::GenreChanged, 4), None);
        planner.reach(129.0);
        planner.close_passed();
        let closed: Vec<_> = jobs.try_iter().collect();
        assert_eq!(closed, [ClipJob::Close(SourceId(0), ClipFileName::parse(&first).unwrap())]);
        let second = file_at(&mut planner, 129.5, LOST, 5).unwrap();
        assert_ne!(second, first);
    }

    #[test]
    fn a_clip_does_not_grow_without_limit() {
        let (mut planner, jobs) = planner(1000);
        let files: Vec<_> = (0..130_u32)
            .map(|n| file_at(&mut planner, 20.0 + f64::from(n) * 10.0, LOST, n.into()).unwrap())
            .collect();
        let mut names = files.clone();
        names.dedup();
        assert_eq!(names.len(), 3);
        let closed = jobs.try_iter().filter(|job| matches!(job, ClipJob::Close(..))).count();
        assert_eq!(closed, 2, "each but the last");
    }

    #[test]
    fn a_loss_ends_the_clip() {
        let (mut planner, jobs) = planner(64);
        let first = file_at(&mut planner, 100.0, LOST, 1);
        planner.cut();
        planner.cut();
        assert_eq!(jobs.try_iter().skip(1).collect::<Vec<_>>(), [ClipJob::Cut(SourceId(0))]);
        assert_ne!(file_at(&mut planner, 101.0, EventType::DeadAirStarted, 2), first);
    }

    #[test]
    fn an_event_has_no_clip_while_the_queue_is_full() {
        let (mut planner, jobs) = planner(1);
        let first = file_at(&mut planner, 100.0, LOST, 1);
        assert_eq!(file_at(&mut planner, 101.0, LOST, 2), None);
        assert_eq!(planner.counters.failed.get(), 1);
        planner.cut();
        jobs.try_recv().unwrap();
        assert_eq!(file_at(&mut planner, 102.0, LOST, 3), None, "the end of the first clip comes first");
        assert_eq!(jobs.try_iter().collect::<Vec<_>>(), [ClipJob::Cut(SourceId(0))]);
        assert_ne!(file_at(&mut planner, 103.0, LOST, 4), first);
    }
}
