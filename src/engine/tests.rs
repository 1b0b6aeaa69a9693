//! Sources, line and inference together, with more to do than can be done.

use std::io::Write;

use super::*;
use crate::audio::SourceId;
use crate::dsp::{LogMelParams, PatchParams};
use crate::model::{Classifier, Feed, Scores, Stretch};
use crate::source::Pacing;

/// Takes its time over every patch.
struct Slow;

const PATCH: Duration = Duration::from_millis(100);

impl Classifier for Slow {
    fn score(&mut self, stretches: &[&Stretch], scores: &mut Vec<Scores>) -> Result<(), ModelError> {
        for stretch in stretches {
            assert_eq!(stretch.rows.len(), 187 * 96);
            for _ in &stretch.patches {
                std::thread::sleep(PATCH);
                scores.push(Scores { posteriors: vec![1.0], tags: Vec::new(), gate: None });
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

#[test]
fn more_than_fits_is_counted_and_every_source_has_its_turn() {
    const SOURCES: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("noise.wav");
    wav(&path);
    let toml: String = (0..SOURCES)
        .map(|n| format!("[[source]]\nname = 's{n}'\nuri = 'file:{}'\nrepeat = true\n", path.display()))
        .collect();
    let config = Config::from_toml(&toml, "the test", &[]).unwrap();
    // 32 patches a second come, 10 can be scored.
    let patches = PatchParams::new(187, 0.25);
    let stop = Stop::new().unwrap();
    let (inlets, work) = batcher::queues(SOURCES, IN_FLIGHT);
    let (judged_tx, judged) = bounded(10_000);
    let counters: Vec<_> = (0..SOURCES).map(|_| Arc::new(SourceCounters::default())).collect();
    let mut returns = Vec::new();
    let mut sources = Vec::new();
    for (index, inlet) in inlets.into_iter().enumerate() {
        let (parcel_tx, parcels) = bounded(IN_FLIGHT);
        returns.push(parcel_tx);
        let source = config.sources[index].source.clone();
        assert_eq!(source.pacing, Pacing::Realtime);
        let feature = Feature {
            id: SourceId(index),
            config: source,
            front_end: LogMelParams::musicnn(),
            patches,
            feed: Feed { patch: 187, bands: 96, streamed: None },
            lost_after: Duration::from_secs(5),
            begins_after: Duration::ZERO,
            patient: true,
            counters: counters[index].clone(),
            work: inlet,
            parcels,
            stop: stop.clone(),
        };
        sources.push(spawn("source", move || feature.run()).unwrap());
    }
    let infer = Infer {
        classifier: Slow,
        max_batch: 4,
        max_wait: Duration::ZERO,
        stop: stop.clone(),
        work,
        parcels: returns,
        counters: counters.clone(),
        inference: Arc::new(InferenceCounters::default()),
        judged: judged_tx,
    };
    let infer = spawn("infer", move || infer.run()).unwrap();
    std::thread::sleep(Duration::from_secs(8));
    stop.set();
    sources.into_iter().for_each(|source| source.join().unwrap());
    infer.join().unwrap();

    let mut last = [None; SOURCES];
    let mut scored = [0; SOURCES];
    for judged in judged.try_iter() {
        if let infer::Judged::Scored { patch, .. } = judged {
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
