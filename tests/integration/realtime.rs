//! Real-time guarantee of a source thread: after warm-up, the front end does not allocate. `cargo
//! bench` measures its cost, also on fading audio.

use std::f32::consts::TAU;
use std::process::Command;
use std::time::Instant;

use assert_no_alloc::assert_no_alloc;
use genred::audio::{Block, SampleRate, SourceId, Span};
use genred::dsp::{FrontEnd, LogMelParams, PatchParams, PatchView};

/// Aborts the process on an allocation or deallocation within `assert_no_alloc`.
const RATE: u32 = 48_000;
const CHANNELS: u16 = 2;
/// 10 ms, as from a sound card.
const BLOCK: u64 = 480;

fn front_end() -> FrontEnd {
    // Parameters of a streamed trunk.
    let patch = PatchParams { before: 81, after: 41, ..PatchParams::new(187, 1.0) };
    FrontEnd::new(SourceId(0), &LogMelParams::musicnn(), &patch).unwrap()
}

fn block(samples: impl Iterator<Item = f32>) -> Block {
    let interleaved: Vec<f32> = samples.collect();
    Block {
        channels: CHANNELS,
        rate: SampleRate::new(RATE).unwrap(),
        span: Span { start: 0, end: interleaved.len() as u64 / u64::from(CHANNELS) },
        gap: false,
        anchor: None,
        interleaved,
    }
}

fn music(seconds: u64) -> Block {
    let samples = seconds * u64::from(RATE) * u64::from(CHANNELS);
    block((0..samples).map(|n| {
        let t = (n / 2) as f32 / RATE as f32;
        0.3 * (TAU * 440.0 * t).sin() + 0.2 * (TAU * (500.0 + 900.0 * t) * t).sin()
    }))
}

#[test]
fn ten_minutes_of_blocks_allocate_nothing() {
    let mut front_end = front_end();
    let mut block = music(1);
    block.interleaved.truncate(BLOCK as usize * usize::from(CHANNELS));
    block.span.end = BLOCK;
    let mut recycled = vec![0.0_f32; 187 * 96];
    let mut patches = 0_u32;
    let mut take = |patch: PatchView<'_>| {
        recycled.copy_from_slice(patch.log_mel);
        patches += 1;
    };
    // Until the first patch, the audio is kept in case it is too short for one; then the memory is
    // freed.
    for k in 0..400 {
        block.span = Span { start: k * BLOCK, end: (k + 1) * BLOCK };
        front_end.push(&block, &mut take).unwrap();
    }
    let started = Instant::now();
    for k in 400..60_000_u64 {
        block.span = Span { start: k * BLOCK, end: (k + 1) * BLOCK };
        // A gap and an anchor once per minute.
        block.gap = k.is_multiple_of(6000);
        block.anchor = block.gap.then_some(jiff::Timestamp::UNIX_EPOCH);
        assert_no_alloc(|| front_end.push(&block, &mut take)).unwrap();
    }
    println!("{:.0} x real time", 600.0 / started.elapsed().as_secs_f64());
    assert_eq!(patches, 579, "58 patches a minute; the last one of all waits for the frames after it");
    let counters = front_end.counters();
    // A gap begins two more segments.
    assert_eq!((counters.produced, counters.dropped), (597, 18));
}

#[test]
fn no_format_allocates_after_the_first_patch_and_its_first_block() {
    let mut front_end = front_end();
    for (rate, channels) in [(8000, 1), (11_025, 2), (16_000, 6), (44_100, 2), (96_000, 1), (192_000, 8)] {
        let mut block = block((0..rate * u32::from(channels)).map(|n| (n as f32 * 0.1).sin() * 0.2));
        block.rate = SampleRate::new(rate).unwrap();
        block.channels = channels;
        block.span = Span { start: 0, end: u64::from(rate) };
        front_end.push(&block, &mut |_| ()).unwrap();
        while front_end.counters().emitted == 0 {
            block.span = Span { start: block.span.end, end: block.span.end + u64::from(rate) };
            front_end.push(&block, &mut |_| ()).unwrap();
        }
        for _ in 0..20 {
            block.span = Span { start: block.span.end, end: block.span.end + u64::from(rate) };
            assert_no_alloc(|| front_end.push(&block, &mut |_| ())).unwrap();
        }
    }
}

#[test]
fn the_allocator_is_armed() {
    let myself = std::env::current_exe().unwrap();
    let run =
        Command::new(myself).args(["--exact", "realtime::allocates_where_it_must_not", "--ignored"]).output();
    assert!(!run.unwrap().status.success());
}

#[test]
#[ignore = "aborts: `the_allocator_is_armed` runs it"]
fn allocates_where_it_must_not() {
    let kept = assert_no_alloc(|| vec![1_u8; 100]);
    assert_eq!(kept.len(), 100);
}
