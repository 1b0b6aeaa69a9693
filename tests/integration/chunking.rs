//! Patches are bit-identical for every division of a signal into blocks.

use genred::audio::{Block, Patch, SampleRate, SourceId, Span};
use genred::dsp::{FrameStream, FrontEnd, LogMelParams, PatchParams, PatchView};
use jiff::Timestamp;
use proptest::prelude::*;

/// Audio without a gap.
#[derive(Debug, Clone)]
struct Stretch {
    rate: u32,
    channels: u16,
    samples: usize,
    /// Samples lost before it.
    lost: u64,
    seed: u32,
    anchored: bool,
}

fn stretch() -> impl Strategy<Value = Stretch> {
    let rate = prop::sample::select(vec![8000, 11_025, 16_000, 44_100, 48_000]);
    (rate, 1_u16..=3, 0.0..7.0, 0_u64..100_000, any::<u32>(), any::<bool>()).prop_map(
        |(rate, channels, seconds, lost, seed, anchored)| Stretch {
            rate,
            channels,
            samples: (f64::from(rate) * seconds) as usize,
            lost,
            seed,
            anchored,
        },
    )
}

impl Stretch {
    /// Noise with a slow swell and a few invalid samples.
    fn sound(&self) -> Vec<f32> {
        let mut state = self.seed;
        (0..self.samples * usize::from(self.channels))
            .map(|n| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let noise = (state >> 8) as f32 / 8_388_608.0 - 1.0;
                if state.is_multiple_of(50_000) { f32::NAN } else { noise * (n as f32 * 1e-5).sin() }
            })
            .collect()
    }

    /// Divides the audio into blocks whose lengths, in samples, cycle through `cuts`.
    fn blocks(&self, start: u64, cuts: &[usize]) -> Vec<Block> {
        let channels = usize::from(self.channels);
        let sound = self.sound();
        let (mut blocks, mut at) = (Vec::new(), 0);
        while at < self.samples {
            // At most one second.
            let cut = cuts[blocks.len() % cuts.len()].clamp(1, self.rate as usize);
            let end = self.samples.min(at + cut);
            blocks.push(Block {
                interleaved: sound[at * channels..end * channels].to_vec(),
                channels: self.channels,
                rate: SampleRate::new(self.rate).unwrap(),
                span: Span { start: start + at as u64, end: start + end as u64 },
                gap: at == 0,
                anchor: (self.anchored && at == 0)
                    .then(|| Timestamp::from_millisecond(i64::from(self.seed)).unwrap()),
            });
            at = end;
        }
        blocks
    }
}

fn all_blocks(stretches: &[Stretch], cuts: &[usize]) -> Vec<Block> {
    let mut start = 0;
    let mut blocks = Vec::new();
    for stretch in stretches {
        start += stretch.lost;
        blocks.extend(stretch.blocks(start, cuts));
        start += stretch.samples as u64;
    }
    blocks
}

/// Output of a front end, with numbers as bits.
type Said = (Vec<(u64, u64, u64, Timestamp, u32, Vec<u32>)>, genred::dsp::PatchCounters, bool);

fn said(blocks: &[Block], hop_seconds: f64) -> Said {
    // Parameters of a streamed trunk: with context, and grouped at short hops.
    let group = if hop_seconds < 0.5 { 2 } else { 1 };
    let patch = PatchParams { before: 81, after: 41, group, ..PatchParams::new(187, hop_seconds) };
    let mut front_end = FrontEnd::new(SourceId(0), &LogMelParams::musicnn(), &patch).unwrap();
    let mut patches: Vec<(Patch, Vec<f32>)> = Vec::new();
    let mut take = |view: PatchView<'_>| patches.push((view.patch, view.context.to_vec()));
    for block in blocks {
        front_end.push(block, &mut take).unwrap();
    }
    let ended = front_end.finish(&mut take);
    let bits = patches.iter().map(|(patch, log_mel)| {
        assert!(patch.level.lufs_s.is_finite() && log_mel.iter().all(|x| x.is_finite()));
        (
            patch.index,
            patch.span.start.to_bits(),
            patch.span.end.to_bits(),
            patch.ends_at,
            patch.level.lufs_s.to_bits(),
            log_mel.iter().map(|x| x.to_bits()).collect(),
        )
    });
    (bits.collect(), front_end.counters(), ended.is_ok())
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![1_usize..20, 1_usize..2000, 1_usize..48_000];
    prop::collection::vec(length, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn patches_do_not_depend_on_the_cuts(
        stretches in prop::collection::vec(stretch(), 1..4),
        cuts in cuts(),
        hop in prop::sample::select(vec![0.25, 0.7, 1.0, 3.0]),
    ) {
        let whole = said(&all_blocks(&stretches, &[usize::MAX]), hop);
        let cut = said(&all_blocks(&stretches, &cuts), hop);
        prop_assert_eq!(&whole.1, &cut.1);
        prop_assert_eq!(whole.1.produced, whole.1.emitted + whole.1.dropped);
        prop_assert!(whole == cut, "the patches differ");
    }

    #[test]
    fn frames_do_not_depend_on_the_cuts(stretch in stretch(), cuts in cuts(), yamnet in any::<bool>()) {
        let params = if yamnet { LogMelParams::yamnet() } else { LogMelParams::musicnn() };
        let frames = |cuts: &[usize]| {
            let mut stream = FrameStream::new(&params).unwrap();
            let mut rows = Vec::new();
            for block in stretch.blocks(stretch.lost, cuts) {
                stream.push(&block, &mut rows).unwrap();
            }
            let ended = stream.finish(&mut rows);
            (rows.iter().map(|x| x.to_bits()).collect::<Vec<_>>(), ended)
        };
        prop_assert!(frames(&[usize::MAX]) == frames(&cuts), "the frames differ");
    }
}

#[test]
fn single_samples_are_blocks_too() {
    let stretch = Stretch { rate: 44_100, channels: 2, samples: 150_000, lost: 0, seed: 5, anchored: true };
    let stretches = [stretch];
    assert!(said(&all_blocks(&stretches, &[1]), 1.0) == said(&all_blocks(&stretches, &[44_100]), 1.0));
}
