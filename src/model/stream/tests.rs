use super::*;
use crate::audio::Block;
use crate::dsp::{FrontEnd, LogMelParams};

const BANDS: usize = 96;
const PADDING: f32 = -5.0;

fn feed(min_run_s: f64) -> Feed {
    let streamed = Streamed { before: 72, after: 41, block: 9, padding: PADDING, level: None, min_run_s };
    Feed { patch: 187, bands: BANDS, streamed: Some(streamed) }
}

/// Plays `seconds` of a tone at 16 kHz in blocks of `block` samples, with a gap before each sample
/// in `gaps`. Returns the stretches.
fn play(hop: f64, seconds: usize, block: usize, gaps: &[usize]) -> Vec<Stretch> {
    play_runs(0.75, hop, seconds, block, gaps)
}

fn play_runs(min_run_s: f64, hop: f64, seconds: usize, block: usize, gaps: &[usize]) -> Vec<Stretch> {
    let feed = feed(min_run_s);
    let signal: Vec<f32> = (0..16_000 * seconds).map(|n| ((n as f32).powf(1.4) * 1e-3).sin() * 0.3).collect();
    let mut front_end = FrontEnd::new(SourceId(0), &LogMelParams::musicnn(), &feed.patches(hop)).unwrap();
    let mut cutter = Cutter::new(&feed, 0);
    let (mut stretches, mut next) = (Vec::new(), Stretch::default());
    let mut take = |view: PatchView<'_>| {
        if cutter.add(&view, &mut next) {
            stretches.push(std::mem::take(&mut next));
        }
    };
    let mut at = 0;
    while at < signal.len() {
        let edge = gaps.iter().copied().filter(|gap| *gap > at).min().unwrap_or(usize::MAX);
        let end = (at + block).min(signal.len()).min(edge);
        let piece = Block {
            interleaved: signal[at..end].to_vec(),
            channels: 1,
            rate: audio::SampleRate::HZ_16000,
            span: audio::Span { start: at as u64, end: end as u64 },
            gap: gaps.contains(&at),
            anchor: None,
        };
        front_end.push(&piece, &mut take).unwrap();
        at = end;
    }
    front_end.finish(&mut take).unwrap();
    stretches
}

#[test]
fn stretches_join_without_holes_at_any_hop() {
    for hop in [0.25, 0.3, 0.5, 1.0, 2.0, 2.999, 3.0] {
        let stretches = play(hop, 20, 1600, &[]);
        let mut features = Features::default();
        let mut patches = 0;
        for (index, stretch) in stretches.iter().enumerate() {
            assert_eq!(stretch.rows.len(), (stretch.frames + 72 + 41) * BANDS, "hop {hop}");
            assert_eq!(stretch.frames % 9, 0, "hop {hop}");
            // The feature of a frame is its number.
            let numbers: Vec<f32> = (0..stretch.frames).map(|k| (stretch.first + k as i64) as f32).collect();
            features.take(stretch, &numbers, 1);
            for start in &stretch.patches {
                let found = features.of_patch(*start, 187, 1).expect("a patch is there as a whole");
                assert!(
                    found.iter().zip(*start..).all(|(found, wanted)| *found == wanted as f32),
                    "hop {hop}"
                );
                patches += 1;
            }
            let expected = 187_usize.next_multiple_of(9);
            assert!(index > 0 || stretch.frames >= expected, "the first holds a whole patch");
            let shared = (0.75_f64 / hop).ceil().max(1.0) * hop;
            let ceiling = ((shared * 62.5) as usize + 1).next_multiple_of(9) + 9;
            assert!(index == 0 || stretch.frames <= ceiling, "hop {hop}: {} frames", stretch.frames);
        }
        let whole = ((20.0 * 62.5 + 1.0 - 187.0) / (hop * 62.5)) as usize + 1;
        assert!(patches == whole || patches == whole + 1, "hop {hop}: {patches} of {whole}");
    }
}

#[test]
fn rows_are_the_sounds_own_frames_and_padding_only_at_its_ends() {
    let signal: Vec<f32> = (0..240_000).map(|n| ((n as f32).powf(1.4) * 1e-3).sin() * 0.3).collect();
    let whole = crate::dsp::log_mel(&signal, &LogMelParams::musicnn()).unwrap();
    let frames = whole.nrows() as i64;
    let runs = [(0.0, 0.25), (0.75, 1.0), (1.0, 0.25), (1.0, 0.9), (3.0, 0.25), (3.0, 2.0), (3.0, 2.9)];
    for (min_run_s, hop) in runs {
        let stretches = play_runs(min_run_s, hop, 15, 1600, &[]);
        assert!(stretches.len() > 1);
        for stretch in stretches {
            for (row, number) in stretch.rows.chunks_exact(BANDS).zip(stretch.first - 72..) {
                match usize::try_from(number).ok().filter(|_| number < frames) {
                    Some(number) => {
                        assert_eq!(row, whole.row(number).as_slice().unwrap(), "hop {hop}, {number}")
                    }
                    None => assert!(row.iter().all(|value| *value == PADDING), "hop {hop}, frame {number}"),
                }
            }
        }
    }
}

#[test]
fn stretches_do_not_depend_on_how_the_sound_is_cut_into_blocks() {
    for hop in [0.25, 1.0] {
        let whole = play(hop, 12, 192_000, &[80_000]);
        for block in [160, 1111, 16_000] {
            let pieces = play(hop, 12, block, &[80_000]);
            assert_eq!(pieces.len(), whole.len());
            for (a, b) in pieces.iter().zip(&whole) {
                assert_eq!(
                    (a.first, a.frames, &a.patches, a.segment),
                    (b.first, b.frames, &b.patches, b.segment)
                );
                assert!(a.rows.iter().zip(&b.rows).all(|(a, b)| a.to_bits() == b.to_bits()));
            }
        }
    }
}

#[test]
fn a_gap_starts_with_a_whole_patch_again_and_loses_none_that_was_complete() {
    // 80,000 samples make at most 313 frames, so the patches at 0, 62 and 125 are complete. The
    // last of them lacks the 41 frames of the halo after it.
    let stretches = play(1.0, 12, 1600, &[80_000]);
    let before: Vec<_> = stretches.iter().filter(|s| s.segment == stretches[0].segment).collect();
    assert_eq!(before.iter().flat_map(|s| &s.patches).copied().collect::<Vec<_>>(), [0, 62, 125]);
    let after = stretches.iter().find(|s| s.segment != stretches[0].segment).unwrap();
    assert!(after.frames >= 187 && after.patches == [0], "{:?}", (after.frames, &after.patches));
}

#[test]
fn what_was_lost_is_not_built_upon() {
    let feed = feed(0.75);
    let mut cutter = Cutter::new(&feed, 0);
    let rows = vec![0.0; 300 * BANDS];
    let frames = |cutter: &mut Cutter, start: u64| {
        let patch = Stretch::of_patch(&feed, 1, &rows[..187 * BANDS]);
        let view = PatchView {
            patch: Patch {
                source: SourceId(0),
                index: 0,
                span: PatchSpan { start: 0.0, end: 0.0 },
                ends_at: jiff::Timestamp::UNIX_EPOCH,
                level: audio::Level::of_loudness(0.0),
            },
            segment: 1,
            start,
            more: false,
            bands: BANDS,
            log_mel: &rows[..187 * BANDS],
            context: &rows,
            lead: 0,
            received_to_s: 0.0,
        };
        assert_eq!(patch.frames, 189);
        let mut stretch = Stretch::default();
        assert!(cutter.add(&view, &mut stretch));
        stretch.frames
    };
    assert_eq!(frames(&mut cutter, 0), 189);
    assert_eq!(frames(&mut cutter, 62), 63);
    cutter.lost();
    assert_eq!(frames(&mut cutter, 125), 189);
    assert_eq!(frames(&mut cutter, 187), 63);
    // No earlier frame is known.
    assert_eq!(frames(&mut cutter, 2000), 189);
}

#[test]
fn features_with_a_hole_are_not_handed_out() {
    let stretch = |first: i64, frames: usize, start: u64| Stretch {
        segment: 1,
        first,
        frames,
        patches: vec![start],
        ..Stretch::default()
    };
    let mut features = Features::default();
    features.take(&stretch(0, 4, 0), &[0.0, 1.0, 2.0, 3.0], 1);
    assert_eq!(features.of_patch(1, 3, 1).unwrap(), [1.0, 2.0, 3.0]);
    features.take(&stretch(6, 2, 5), &[6.0, 7.0], 1);
    assert!(features.of_patch(5, 3, 1).is_none());
    assert_eq!(features.of_patch(6, 2, 1).unwrap(), [6.0, 7.0]);
    // Frame numbers start at 0 in a new segment.
    let other = Stretch { segment: 2, ..stretch(0, 2, 0) };
    features.take(&other, &[8.0, 9.0], 1);
    assert_eq!(features.of_patch(0, 2, 1).unwrap(), [8.0, 9.0]);
}
