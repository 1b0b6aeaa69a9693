//! Source workers, scheduler and inference together, under overload and with failures.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};
use jiff::Timestamp;

use super::admission::{Admission, Turns};
use super::inference::{InferenceLane, InferenceWorker};
use super::job::{InferenceJob, InferenceResult, JOBS_PER_SOURCE, WorkItem, WorkerEvent};
use super::live_settings::LiveSettings;
use super::scheduler::{self, WorkSender};
use super::source_worker::SourceWorker;
use crate::audio::{Level, Patch, PatchSpan, SourceId};
use crate::config::Config;
use crate::counters::{InferenceCounters, SourceCounters};
use crate::dsp::LogMelParams;
use crate::model::{Classifier, Feed, ModelError, Scores, Streamed, Stretch};
use crate::permits::Permits;
use crate::source::Pacing;
use crate::thread::{Stop, spawn};

/// Classifier that needs [`PATCH_TIME`] per patch.
struct SlowClassifier;

const PATCH_TIME: Duration = Duration::from_millis(100);

impl Classifier for SlowClassifier {
    fn score(&mut self, stretches: &[&Stretch], scores: &mut Vec<Option<Scores>>) -> Result<(), ModelError> {
        for stretch in stretches {
            assert_eq!(stretch.rows.len(), 187 * 96);
            for _ in &stretch.patches {
                std::thread::sleep(PATCH_TIME);
                scores.push(Some(Scores {
                    posteriors: vec![1.0],
                    tags: Vec::new(),
                    gate: None,
                    embedding: Vec::new(),
                }));
            }
        }
        Ok(())
    }
}

/// Three seconds of quiet noise at 16 kHz.
fn wav(path: &std::path::Path) {
    let samples = (0..48_000_u32).flat_map(|n| ((n.wrapping_mul(2_654_435_761) >> 20) as i16).to_le_bytes());
    let data: Vec<u8> = samples.collect();
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(b"RIFF").unwrap();
    file.write_all(&(36 + data.len() as u32).to_le_bytes()).unwrap();
    file.write_all(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data").unwrap();
    file.write_all(&(data.len() as u32).to_le_bytes()).unwrap();
    file.write_all(&data).unwrap();
}

/// Worker of source `index` with the queue to inference and its recycled jobs.
fn source_worker(
    index: usize,
    config: &Config,
    counters: Arc<SourceCounters>,
    (admission, permits, stop): (&Arc<Admission>, &Permits, &Stop),
    (work, recycled): (WorkSender, Receiver<InferenceJob>),
) -> SourceWorker {
    SourceWorker {
        id: SourceId(index),
        config: config.sources[index].source.clone(),
        front_end: LogMelParams::musicnn(),
        live: Arc::new(LiveSettings::new(0.25)),
        feed: Feed { patch: 187, bands: 96, streamed: None },
        true_peak: false,
        lost_after: Duration::from_secs(5),
        start_delay: Duration::ZERO,
        wait_at_start: true,
        counters,
        tap: Arc::default(),
        clips: None,
        admission: admission.clone(),
        permits: permits.clone(),
        work,
        recycled,
        stop: stop.clone(),
    }
}

#[test]
fn more_than_fits_is_counted_and_every_source_has_its_turn() {
    const SOURCES: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.wav");
    wav(&path);
    let toml: String = (0..SOURCES)
        .map(|n| format!("[[source]]\nname = 's{n}'\nuri = 'file:{}'\nrepeat = true\n", path.display()))
        .collect();
    let config = Config::from_toml(&toml, "the test", &crate::config::Overrides::default()).unwrap();
    // 32 patches a second come, 10 can be scored.
    let stop = Stop::new().unwrap();
    let (senders, scheduler) = scheduler::queues(SOURCES, JOBS_PER_SOURCE);
    let (result_tx, results) = bounded(10_000);
    let counters: Vec<_> = (0..SOURCES).map(|_| Arc::new(SourceCounters::default())).collect();
    let inference = Arc::new(InferenceCounters::default());
    // Short turns: the test needs several of them.
    let turns = Turns { wait_s: 3.0, shortest_s: 2.0, longest_s: 4.0 };
    let permits = Permits::per_core();
    let admission = Arc::new(Admission::with_turns(SOURCES, 0.25, inference.clone(), permits.clone(), turns));
    let mut lanes = Vec::new();
    let mut sources = Vec::new();
    for (index, work) in senders.into_iter().enumerate() {
        let (recycle, recycled) = bounded(JOBS_PER_SOURCE);
        lanes.push(InferenceLane { recycled: recycle, counters: counters[index].clone() });
        assert_eq!(config.sources[index].source.pacing, Pacing::Realtime);
        let shared = (&admission, &permits, &stop);
        let worker = source_worker(index, &config, counters[index].clone(), shared, (work, recycled));
        sources.push(spawn("source", move || worker.run()).unwrap());
    }
    let mut worker = InferenceWorker {
        classifier: SlowClassifier,
        max_batch: 4,
        max_wait: Duration::ZERO,
        stop: stop.clone(),
        scheduler,
        lanes,
        counters: inference,
        results: result_tx,
    };
    let infer = spawn("infer", move || worker.run()).unwrap();
    std::thread::sleep(Duration::from_secs(8));
    stop.set();
    sources.into_iter().for_each(|source| source.join().unwrap());
    infer.join().unwrap();

    let mut last = [None; SOURCES];
    let mut scored = [0; SOURCES];
    for result in results.try_iter() {
        if let InferenceResult::Scored { patch, .. } = result {
            let SourceId(index) = patch.source;
            assert!(last[index] < Some(patch.index), "in order");
            last[index] = Some(patch.index);
            scored[index] += 1;
        }
    }
    for (index, counters) in counters.iter().enumerate() {
        let (produced, dropped) = (counters.produced.get(), counters.dropped.get());
        assert_eq!(produced, counters.scored.get() + dropped, "source {index}");
        assert_eq!(counters.scored.get(), scored[index], "source {index}");
        assert!(dropped > 0 && scored[index] >= 2, "source {index}: {scored:?} scored, {dropped} dropped");
    }
    let most = scored.iter().max().copied().unwrap_or_default();
    assert!(scored.iter().all(|scored| 3 * scored >= most), "{scored:?}");
}

/// A streamed trunk without frames per block is a fault that no manifest passes on: the worker
/// panics at its first patch, with a permit in hand.
#[test]
fn a_worker_that_panics_ends_its_source_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.wav");
    wav(&path);
    let entry = |n| format!("[[source]]\nname = 's{n}'\nuri = 'file:{}'\n", path.display());
    let toml = format!("{}{}", entry(0), entry(1));
    let config = Config::from_toml(&toml, "the test", &crate::config::Overrides::default()).unwrap();
    let stop = Stop::new().unwrap();
    let (senders, scheduler) = scheduler::queues(2, JOBS_PER_SOURCE);
    let (result_tx, results) = bounded(100);
    let inference = Arc::new(InferenceCounters::default());
    let permits = Permits::new(1);
    let admission = Arc::new(Admission::new(2, 0.25, inference.clone(), permits.clone()));
    let (mut lanes, mut sources) = (Vec::new(), Vec::new());
    for (index, work) in senders.into_iter().enumerate() {
        let (recycle, recycled) = bounded(JOBS_PER_SOURCE);
        let counters = Arc::new(SourceCounters::default());
        lanes.push(InferenceLane { recycled: recycle, counters: counters.clone() });
        let shared = (&admission, &permits, &stop);
        let mut worker = source_worker(index, &config, counters, shared, (work, recycled));
        if index == 0 {
            let streamed =
                Streamed { before: 0, after: 0, block: 0, padding: 0.0, level: None, min_run_s: 0.0 };
            worker.feed.streamed = Some(streamed);
        }
        sources.push(spawn("source", move || worker.run()).unwrap());
    }
    let mut worker = InferenceWorker {
        classifier: SlowClassifier,
        max_batch: 4,
        max_wait: Duration::ZERO,
        stop,
        scheduler,
        lanes,
        counters: inference,
        results: result_tx,
    };
    let infer = spawn("infer", move || worker.run()).unwrap();
    sources.into_iter().for_each(|source| source.join().unwrap());
    infer.join().unwrap();

    let (mut scored, mut ends) = ([0; 2], [None, None]);
    for result in results.try_iter() {
        match result {
            InferenceResult::Scored { patch, .. } => scored[patch.source.0] += 1,
            InferenceResult::Event(SourceId(index), event) => ends[index] = Some(event),
        }
    }
    assert!(matches!(&ends[0], Some(WorkerEvent::Failed(_))), "{ends:?}");
    assert_eq!(ends[1], Some(WorkerEvent::Ended));
    assert!(scored[0] == 0 && scored[1] > 0, "{scored:?}");
}

/// Classifier that fails at the first patch and returns no scores for the third.
struct FailingClassifier(u32);

impl Classifier for FailingClassifier {
    fn score(&mut self, stretches: &[&Stretch], scores: &mut Vec<Option<Scores>>) -> Result<(), ModelError> {
        for _ in stretches {
            self.0 += 1;
            if self.0 == 1 {
                return Err(ModelError::Run("out of memory".into()));
            }
            let answer =
                Scores { posteriors: vec![1.0], tags: Vec::new(), gate: None, embedding: Vec::new() };
            scores.push((self.0 != 3).then_some(answer));
        }
        Ok(())
    }
}

#[test]
fn patches_without_scores_are_dropped_and_not_built_upon() {
    let (mut senders, scheduler) = scheduler::queues(1, JOBS_PER_SOURCE);
    let (recycle, recycled) = bounded(JOBS_PER_SOURCE);
    let (result_tx, results) = bounded(16);
    let counters = Arc::new(SourceCounters::default());
    for index in 0..4 {
        let patch = Patch {
            source: SourceId(0),
            index,
            span: PatchSpan { start: 0.0, end: 3.0 },
            ends_at: Timestamp::UNIX_EPOCH,
            level: Level::of_loudness(0.0),
        };
        let job = InferenceJob { patches: vec![(patch, Instant::now())], ..InferenceJob::default() };
        senders[0].send(WorkItem::Job(job));
    }
    senders.clear();
    let mut worker = InferenceWorker {
        classifier: FailingClassifier(0),
        max_batch: 1,
        max_wait: Duration::ZERO,
        stop: Stop::new().unwrap(),
        scheduler,
        lanes: vec![InferenceLane { recycled: recycle, counters: counters.clone() }],
        counters: Arc::new(InferenceCounters::default()),
        results: result_tx,
    };
    worker.run();
    assert_eq!((counters.scored.get(), counters.dropped.get()), (2, 2));
    assert_eq!(recycled.try_iter().map(|job| job.failed).collect::<Vec<_>>(), [true, false, true, false]);
    let scored = results.try_iter().filter_map(|result| match result {
        InferenceResult::Scored { patch, .. } => Some(patch.index),
        InferenceResult::Event(..) => None,
    });
    assert_eq!(scored.collect::<Vec<_>>(), [1, 3]);
}
