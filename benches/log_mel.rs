//! Front end throughput. The unit is a second of sound, so that `Kelem/s` reads "thousand times
//! real time".
#![allow(clippy::unwrap_used, reason = "a bench fails by panicking")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use genred::audio::{Block, SampleRate, SourceId, Span};
use genred::dsp::{FrameStream, FrontEnd, LogMel, LogMelParams, PatchParams, Resampler};
use realfft::RealFftPlanner;

const SECONDS: usize = 60;

fn noise(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 8) as f32 / 8_388_608.0 - 1.0) * 0.2
    })
    .take(samples)
    .collect()
}

/// The log-mel frames beside the Fourier transforms that they can't do without.
fn log_mel(c: &mut Criterion) {
    let mut group = c.benchmark_group("log_mel");
    group.throughput(Throughput::Elements(SECONDS as u64));
    let signal = noise(16_000 * SECONDS);
    for (name, params) in [("musicnn", LogMelParams::musicnn()), ("yamnet", LogMelParams::yamnet())] {
        let mut stream = LogMel::new(&params).unwrap();
        let mut rows = Vec::with_capacity(params.frames(signal.len() as u64) as usize * params.bands);
        group.bench_function(name, |b| {
            b.iter(|| {
                rows.clear();
                stream.push(&signal, &mut rows);
                stream.finish(&mut rows);
                black_box(&rows);
            })
        });
    }
    let fft = RealFftPlanner::<f32>::new().plan_fft_forward(512);
    let (mut input, mut output, mut scratch) =
        (fft.make_input_vec(), fft.make_output_vec(), fft.make_scratch_vec());
    group.bench_function("realfft alone", |b| {
        b.iter(|| {
            for frame in signal.windows(512).step_by(256) {
                input.copy_from_slice(frame);
                fft.process_with_scratch(&mut input, &mut output, &mut scratch).unwrap();
                black_box(&output);
            }
        })
    });
    group.finish();
}

/// All stages from 44.1 kHz stereo, and the resampler alone.
fn from_44_1_khz(c: &mut Criterion) {
    let mut group = c.benchmark_group("44.1 kHz stereo");
    group.throughput(Throughput::Elements(SECONDS as u64)).sample_size(20);
    let rate = SampleRate::new(44_100).unwrap();
    let mut block = Block {
        interleaved: noise(2 * 44_100 * SECONDS),
        channels: 2,
        rate,
        span: Span { start: 0, end: (44_100 * SECONDS) as u64 },
        gap: true,
        anchor: None,
    };
    let params = LogMelParams::musicnn();
    let patch = PatchParams::new(187, 1.0);
    let mut front_end = FrontEnd::new(SourceId(0), &params, &patch).unwrap();
    group.bench_function("front end", |b| {
        b.iter(|| front_end.push(&block, &mut |patch| _ = black_box(patch.patch.index)).unwrap())
    });
    let mut frames = FrameStream::new(&params).unwrap();
    let mut rows = Vec::new();
    group.bench_function("front end without loudness", |b| {
        b.iter(|| {
            rows.clear();
            frames.push(&block, &mut rows).unwrap();
        })
    });
    block.interleaved.truncate(44_100 * SECONDS);
    let mut resampler = Resampler::new(rate, params.sample_rate).unwrap();
    let mut samples = Vec::new();
    group.bench_function("resampler alone, mono", |b| {
        b.iter(|| {
            samples.clear();
            resampler.push(&block.interleaved, &mut samples);
        })
    });
    group.finish();
}

/// Sound that fades to the smallest numbers there are, against music: the ratio must stay near 1.
fn fading_tails(c: &mut Criterion) {
    let loud = noise(2 * 5 * 48_000);
    let faded = |per_second: f32| -> Vec<f32> {
        let level = |n: usize| 10_f32.powf(-per_second * (n / 2) as f32 / 48_000.0);
        loud.iter().enumerate().map(|(n, x)| x * level(n)).collect()
    };
    let scaled = |factor: f32| -> Vec<f32> { loud.iter().map(|x| x * factor).collect() };
    let mut group = c.benchmark_group("fading_tails");
    group.sample_size(10);
    for (name, samples) in [
        ("music", scaled(1.0)),
        ("slow_fade", faded(8.0)),
        ("fast_fade", faded(40.0)),
        ("silence", scaled(0.0)),
        ("denormal", scaled(1e-38)),
        ("just_above_the_floor", scaled(1e-9)),
    ] {
        let block = Block {
            channels: 2,
            rate: SampleRate::new(48_000).unwrap(),
            span: Span { start: 0, end: samples.len() as u64 / 2 },
            gap: false,
            anchor: None,
            interleaved: samples,
        };
        let patch = PatchParams::new(187, 1.0);
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut front_end = FrontEnd::new(SourceId(0), &LogMelParams::musicnn(), &patch).unwrap();
                front_end.push(&block, &mut |_| ()).unwrap();
            });
        });
    }
    group.finish();
}

criterion_group!(benches, log_mel, from_44_1_khz, fading_tails);
criterion_main!(benches);
