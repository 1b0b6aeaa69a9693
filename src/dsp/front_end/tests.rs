use super::*;
use crate::audio::{Level, SampleRate, Span};
use crate::dsp::{Resampler, log_mel};

/// Copy of a patch view.
struct PatchCopy {
    patch: Patch,
    log_mel: Vec<f32>,
    context: Vec<f32>,
    lead: usize,
    more: bool,
}

impl From<PatchView<'_>> for PatchCopy {
    fn from(view: PatchView<'_>) -> Self {
        let (log_mel, context) = (view.log_mel.to_vec(), view.context.to_vec());
        Self { patch: view.patch, log_mel, context, lead: view.lead, more: view.more }
    }
}

impl std::ops::Deref for PatchCopy {
    type Target = Patch;

    fn deref(&self) -> &Patch {
        &self.patch
    }
}

/// Source that feeds the parts of one signal to a `FrontEnd`.
struct TestSource {
    front_end: FrontEnd,
    patches: Vec<PatchCopy>,
    at: u64,
}

impl TestSource {
    fn new(hop_seconds: f64) -> Self {
        Self::with(&PatchParams::new(187, hop_seconds))
    }

    fn with(patch: &PatchParams) -> Self {
        let front_end = FrontEnd::new(SourceId(3), &LogMelParams::musicnn(), patch).unwrap();
        Self { front_end, patches: Vec::new(), at: 0 }
    }

    fn block(&mut self, interleaved: &[f32], rate: u32, channels: u16) -> Block {
        let start = self.at;
        self.at += (interleaved.len() / usize::from(channels)) as u64;
        Block {
            interleaved: interleaved.to_vec(),
            channels,
            rate: SampleRate::new(rate).unwrap(),
            span: Span { start, end: self.at },
            gap: false,
            anchor: None,
        }
    }

    fn push(&mut self, block: &Block) {
        self.front_end.push(block, &mut |patch| self.patches.push(patch.into())).unwrap();
    }

    /// Plays mono samples at the model's rate in blocks of a tenth of a second.
    fn play(&mut self, samples: &[f32]) {
        for part in samples.chunks(1600) {
            let block = self.block(part, 16_000, 1);
            self.push(&block);
        }
    }

    fn finish(&mut self) {
        self.front_end.finish(&mut |patch| self.patches.push(patch.into())).unwrap();
    }

    fn starts(&self) -> Vec<u64> {
        self.patches.iter().map(|patch| (patch.span.start * 62.5).round() as u64).collect()
    }
}

fn tune(samples: usize) -> Vec<f32> {
    (0..samples).map(|n| ((n as f32).powf(1.4) * 1e-3).sin() * 0.3).collect()
}

#[test]
fn patches_are_rows_of_the_whole_files_frames() {
    let signal = tune(16_000 * 8);
    let frames = log_mel(&signal, &LogMelParams::musicnn()).unwrap();
    let mut player = TestSource::new(1.0);
    player.play(&signal);
    player.finish();
    // 501 frames: six whole patches, and 2 frames after the last, less than half a hop.
    assert_eq!(player.starts(), [0, 62, 125, 187, 250, 312]);
    for (k, patch) in player.patches.iter().enumerate() {
        let start = player.starts()[k] as usize;
        let rows = frames.slice(ndarray::s![start..start + 187, ..]);
        assert!(rows.iter().zip(&patch.log_mel).all(|(a, b)| a.to_bits() == b.to_bits()), "patch {k}");
        assert_eq!((patch.index, patch.source), (k as u64, SourceId(3)));
        assert_eq!(patch.span.start, start as f64 * 256.0 / 16_000.0);
        assert_eq!(patch.span.end, (start + 187) as f64 * 256.0 / 16_000.0);
    }
    let counters = player.front_end.counters();
    assert_eq!((counters.produced, counters.emitted, counters.dropped), (6, 6, 0));
}

#[test]
fn the_end_is_analysed_if_half_a_hop_is_left() {
    // 187 frames and then `extra`: 31 are less than half of 62.5, 32 more.
    for (extra, expected) in [(0, vec![0]), (31, vec![0]), (32, vec![0, 32]), (62, vec![0, 62])] {
        let mut player = TestSource::new(1.0);
        player.play(&tune((186 + extra) * 256));
        player.finish();
        assert_eq!(player.starts(), expected, "{extra}");
    }
}

#[test]
fn a_short_sound_is_repeated_to_one_patch() {
    for samples in [1, 255, 1600, 47_615] {
        let signal = tune(samples);
        let mut player = TestSource::new(1.0);
        player.play(&signal);
        player.finish();
        let tiled: Vec<f32> = signal.iter().copied().cycle().take(187 * 256).collect();
        let frames = log_mel(&tiled, &LogMelParams::musicnn()).unwrap();
        assert_eq!(player.patches.len(), 1);
        assert_eq!(player.patches[0].log_mel, frames.as_slice().unwrap()[..187 * 96]);
        assert_eq!(player.patches[0].span, PatchSpan { start: 0.0, end: 2.992 });
        assert!(player.patches[0].level.lufs_s >= Level::FLOOR);
    }
}

#[test]
fn an_empty_sound_is_an_error() {
    let mut player = TestSource::new(1.0);
    assert_eq!(player.front_end.finish(&mut |_| ()), Err(DspError::Empty));
    let nothing = player.block(&[], 44_100, 2);
    player.push(&nothing);
    assert_eq!(player.front_end.finish(&mut |_| ()), Err(DspError::Empty));
}

#[test]
fn a_gap_drops_what_was_begun_and_shows_in_the_spans() {
    let mut player = TestSource::new(1.0);
    player.play(&tune(16_000 * 4));
    // 251 frames at the gap: 0 and 62 are complete, 125 and 187 are incomplete.
    assert_eq!(player.starts(), [0, 62]);
    player.at += 8000;
    let mut block = player.block(&tune(16_000 * 3), 16_000, 1);
    block.gap = true;
    player.push(&block);
    let counters = player.front_end.counters();
    assert_eq!((counters.produced, counters.emitted, counters.dropped), (5, 3, 2));
    let patch = &player.patches[2];
    assert_eq!((patch.index, patch.span), (4, PatchSpan { start: 4.5, end: 4.5 + 2.992 }));
    let fresh = log_mel(&tune(16_000 * 3), &LogMelParams::musicnn()).unwrap();
    assert_eq!(patch.log_mel, fresh.as_slice().unwrap()[..187 * 96]);
}

#[test]
fn a_jump_in_the_span_is_a_gap_that_was_not_said() {
    let mut player = TestSource::new(1.0);
    player.play(&tune(16_000));
    player.at += 1;
    player.play(&tune(16_000));
    assert_eq!(player.front_end.counters().dropped, 1);
}

#[test]
fn a_change_of_format_is_a_gap_and_time_goes_on() {
    let mut player = TestSource::new(1.0);
    player.play(&tune(16_000 * 2));
    // Sources renumber their samples, so that the index divided by the rate is the time.
    player.at *= 3;
    let stereo = player.block(&tune(2 * 48_000 * 4), 48_000, 2);
    player.push(&stereo);
    assert_eq!(player.front_end.counters().dropped, 2);
    let starts: Vec<f64> = player.patches.iter().map(|patch| patch.span.start).collect();
    assert_eq!(starts, [2.0, 2.0 + 62.0 * 0.016]);
}

#[test]
fn patches_end_by_the_last_anchor() {
    let mut player = TestSource::new(1.0);
    let anchor: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
    let mut first = player.block(&tune(16_000 * 3), 16_000, 1);
    let mut second = player.block(&tune(16_000 * 2), 16_000, 1);
    player.push(&first);
    assert_eq!(player.patches[0].ends_at.as_millisecond(), 2992);
    (first.anchor, first.gap, player.at) = (Some(anchor), true, first.span.end);
    player.push(&first);
    assert_eq!(player.patches[1].ends_at, anchor + SignedDuration::from_millis(2992));
    // The sound card ran 100 ms late; the new anchor applies from here on.
    second.anchor = Some(anchor + SignedDuration::from_millis(3100));
    player.push(&second);
    assert_eq!(player.patches[2].ends_at, anchor + SignedDuration::from_millis(3100 + 984));
}

#[test]
fn resampling_keeps_time_and_loudness_is_the_sounds_own() {
    let loud: Vec<f32> = tune(2 * 44_100 * 5).iter().map(|x| x * 2.0).collect();
    let mut player = TestSource::new(1.0);
    let block = player.block(&loud, 44_100, 2);
    player.push(&block);
    player.finish();
    let mono: Vec<f32> = loud.chunks(2).map(|pair| 0.5 * (pair[0] + pair[1])).collect();
    let rate = |hertz| SampleRate::new(hertz).unwrap();
    let mut resampler = Resampler::new(rate(44_100), rate(16_000)).unwrap();
    let mut samples = Vec::new();
    resampler.push(&mono, &mut samples);
    resampler.finish(&mut samples);
    let frames = log_mel(&samples, &LogMelParams::musicnn()).unwrap();
    assert_eq!(player.patches[0].log_mel, frames.as_slice().unwrap()[..187 * 96]);
    assert!((-12.0..0.0).contains(&player.patches[0].level.lufs_s), "{:?}", player.patches[0].level);
}

#[test]
fn strange_blocks_are_refused_or_survived() {
    let mut player = TestSource::new(1.0);
    let wide = player.block(&vec![f32::NAN; 8 * 8000 * 9 / 2], 8000, 8);
    player.push(&wide);
    assert_eq!(player.patches.len(), 2);
    assert!(player.patches[0].log_mel.iter().all(|&x| x == 0.0));
    assert_eq!(player.patches[0].level.lufs_s, Level::FLOOR);
    let mut none = player.block(&[0.0; 10], 48_000, 1);
    none.channels = 0;
    let refused = player.front_end.push(&none, &mut |_| ());
    assert_eq!(refused, Err(DspError::Channels(0)));
}

#[test]
fn an_hour_of_silence_is_an_hour_of_zeros() {
    let mut player = TestSource::new(3.0);
    let minute = vec![0.0; 8000 * 60];
    for _ in 0..60 {
        let block = player.block(&minute, 8000, 1);
        player.push(&block);
    }
    player.finish();
    assert_eq!(player.patches.len(), 1200);
    assert!(player.patches.iter().all(|patch| patch.log_mel.iter().all(|&x| x == 0.0)));
    assert!(player.patches.iter().all(|patch| patch.level.lufs_s == Level::FLOOR));
}

#[test]
fn other_models_have_other_patches() {
    let patch = PatchParams::new(96, 0.48);
    let mut front_end = FrontEnd::new(SourceId(0), &LogMelParams::yamnet(), &patch).unwrap();
    let mut player = TestSource::new(1.0);
    let block = player.block(&tune(32_000), 16_000, 1);
    let mut patches: Vec<PatchCopy> = Vec::new();
    front_end.push(&block, &mut |patch| patches.push(patch.into())).unwrap();
    front_end.finish(&mut |patch| patches.push(patch.into())).unwrap();
    let frames = log_mel(&tune(32_000), &LogMelParams::yamnet()).unwrap();
    let starts: Vec<f64> = patches.iter().map(|patch| patch.span.start).collect();
    // 198 frames: whole patches at 0, 48 and 96, and 6 frames left over.
    assert_eq!(starts, [0.0, 0.48, 0.96]);
    assert_eq!(patches[1].log_mel, frames.as_slice().unwrap()[48 * 64..144 * 64]);
}

#[test]
fn it_can_move_to_the_thread_of_its_source() {
    fn is_send<T: Send>() {}
    is_send::<FrontEnd>();
    is_send::<crate::dsp::FrameStream>();
}

#[test]
fn frames_around_a_patch_are_waited_for_and_handed_out_with_it() {
    let signal = tune(16_000 * 8);
    let frames = log_mel(&signal, &LogMelParams::musicnn()).unwrap();
    let around = PatchParams { before: 20, after: 41, group: 1, ..PatchParams::new(187, 1.0) };
    let mut player = TestSource::with(&around);
    // 228 frames, and half an FFT of look-ahead, complete the first patch; half a second less does
    // not.
    player.play(&signal[..51_000]);
    assert_eq!(player.patches.len(), 0);
    assert_eq!(player.front_end.counters(), PatchCounters::default());
    player.play(&signal[51_000..]);
    player.finish();
    assert_eq!(player.starts(), [0, 62, 125, 187, 250, 312]);
    for (cut, start) in player.patches.iter().zip([0_usize, 62, 125, 187, 250, 312]) {
        assert_eq!(cut.lead, start.min(20));
        let rows = frames.slice(ndarray::s![start - cut.lead..(start + 187 + 41).min(501), ..]);
        assert!(rows.iter().eq(&cut.context), "patch at {start}");
    }
}

#[test]
fn groups_come_together_and_the_last_one_as_it_is() {
    let pairs = PatchParams { after: 10, group: 2, ..PatchParams::new(187, 0.25) };
    let mut player = TestSource::with(&pairs);
    // 251 frames: patches at 0, 15, 31, 46 and 62.
    player.play(&tune(64_000));
    assert_eq!(player.starts(), [0, 15, 31, 46]);
    player.finish();
    assert_eq!(player.starts(), [0, 15, 31, 46, 62]);
    let more: Vec<bool> = player.patches.iter().map(|cut| cut.more).collect();
    assert_eq!(more, [true, false, true, false, false]);
}

#[test]
fn a_gap_drops_no_patch_that_only_waits() {
    let waits = PatchParams { after: 41, ..PatchParams::new(187, 1.0) };
    let mut player = TestSource::with(&waits);
    // 201 frames: one patch is complete and has 14 frames after it, three others are incomplete.
    player.play(&tune(51_200));
    player.at += 1600;
    let mut block = player.block(&tune(1600), 16_000, 1);
    block.gap = true;
    player.push(&block);
    assert_eq!(player.starts(), [0]);
    assert_eq!(player.patches[0].span, PatchSpan { start: 0.0, end: 2.992 });
    assert_eq!(player.front_end.counters(), PatchCounters { produced: 4, emitted: 1, dropped: 3 });
}
