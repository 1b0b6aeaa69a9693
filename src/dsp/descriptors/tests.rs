use std::f64::consts::TAU;

use super::*;
use crate::audio::{Block, PatchSpan, SampleRate, Span};
use crate::dsp::SAMPLE_LIMIT;
use crate::dsp::samples::noise;

fn describe(samples: &[f32]) -> Descriptors {
    Describer::new().describe(samples).unwrap()
}

fn moments(found: &Descriptors, name: &str) -> Moments {
    found.moments[FRAME_DESCRIPTOR_NAMES.iter().position(|known| *known == name).unwrap()]
}

fn sine(hertz: f64, samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (0.5 * (TAU * hertz * n as f64 / 22_050.0).sin()) as f32).collect()
}

#[test]
fn columns_and_values_go_together() {
    let columns = Descriptors::columns();
    assert_eq!(columns.len(), 78);
    assert_eq!(columns[..3], ["tempo", "zcr_mean", "zcr_var"]);
    assert_eq!(columns[13..15], ["mfcc_01_mean", "mfcc_01_var"]);
    assert_eq!(columns[53], "chroma_c_mean");
    assert_eq!(columns[77], "harmonic_ratio");
    let found = describe(&sine(440.0, 22_050));
    assert_eq!(found.values().len(), columns.len());
    assert_eq!(found.values()[53], moments(&found, "chroma_c").mean);
}

#[test]
fn a_tone_is_what_it_is() {
    // Whole periods in 32 samples; only the two frames at each edge, partly zeros, differ.
    let hertz = 22_050.0 / 32.0;
    let found = describe(&sine(hertz, 66_150));
    let about = |name, expected: f64, within: f64| {
        let mean = moments(&found, name).mean;
        assert!((mean - expected).abs() < within, "{name}: {mean}, not {expected}");
    };
    about("zcr", 2.0 / 32.0, 2e-3);
    about("centroid", hertz, 40.0);
    about("rolloff", hertz, 40.0);
    about("rms", 0.5 / 2_f64.sqrt(), 5e-3);
    about("flatness", 0.0, 1e-3);
    // 689 Hz is 41 cents below F5.
    about("chroma_f", 1.0, 1e-6);
    assert!(found.harmonic_ratio > 100.0, "{}", found.harmonic_ratio);
}

#[test]
fn clicks_have_their_tempo_and_are_percussive() {
    let mut samples = vec![0.0; 66_150];
    (0..6).for_each(|beat| samples[beat * 11_025 + 2000] = 0.9);
    let found = describe(&samples);
    assert!((found.tempo - 120.0).abs() < 4.0, "{}", found.tempo);
    assert!(found.harmonic_ratio < 0.01, "{}", found.harmonic_ratio);
}

#[test]
fn silence_has_documented_values() {
    let found = describe(&[0.0; 66_150]);
    for (name, moments) in FRAME_DESCRIPTOR_NAMES.iter().zip(found.moments) {
        let expected = match *name {
            "flatness" => 1.0,
            // 128 bands at −100 dB.
            "mfcc_01" => -100.0 * 128_f64.sqrt(),
            _ => 0.0,
        };
        assert!((moments.mean - expected).abs() < 1e-3, "{name}: {moments:?}");
        assert!(moments.var < 1e-9, "{name}: {moments:?}");
    }
    assert!((found.tempo - 117.453_8).abs() < 1e-3);
    assert_eq!(found.harmonic_ratio, 1.0);
}

#[test]
fn whatever_comes_in_is_finite() {
    let finite = |samples: &[f32], what: &str| {
        let values = describe(samples).values();
        assert!(values.iter().all(|value| value.is_finite() && value.abs() < f64::from(f32::MAX)), "{what}");
    };
    for value in
        [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, 1e-10, 0.5, SAMPLE_LIMIT, -SAMPLE_LIMIT]
    {
        for length in [1, 2, 511, 512, 513, 2048, 66_150] {
            finite(&vec![value; length], &format!("{length} × {value}"));
        }
    }
    finite(&noise(66_150).iter().map(|x| x * SAMPLE_LIMIT).collect::<Vec<_>>(), "loud noise");
    finite(&noise(66_150).iter().map(|x| x * 1e-9).collect::<Vec<_>>(), "faint noise");
    let mut mixed = noise(66_150);
    mixed.iter_mut().step_by(7).for_each(|x| *x = f32::NAN);
    finite(&mixed, "NaN among noise");
    assert_eq!(describe(&[f32::NAN; 4000]), describe(&[0.0; 4000]));
    assert_eq!(Describer::new().describe(&[]), Err(crate::dsp::DspError::Empty));
}

/// Windows of `samples` at `rate`, pushed in blocks of `length`.
fn windows(samples: &[f32], rate: u32, length: usize) -> Vec<(PatchSpan, Descriptors)> {
    let mut stream = DescriptorStream::new().unwrap();
    let mut found = Vec::new();
    let mut start = 0;
    for piece in samples.chunks(length) {
        let mut block = Block::with_capacity(SampleRate::new(rate).unwrap(), 1, piece.len());
        block.interleaved.extend_from_slice(piece);
        block.span = Span { start, end: start + piece.len() as u64 };
        start = block.span.end;
        stream.push(&block, &mut |span, row| found.push((span, row))).unwrap();
    }
    stream.finish(&mut |span, row| found.push((span, row))).unwrap();
    found
}

#[test]
fn windows_follow_the_contract() {
    let starts = |seconds: f64| {
        let samples = noise((seconds * 22_050.0) as usize);
        windows(&samples, 22_050, 4096).iter().map(|(span, _)| span.start).collect::<Vec<_>>()
    };
    assert_eq!(starts(3.0), [0.0]);
    assert_eq!(starts(3.4), [0.0]);
    assert_eq!(starts(3.5), [0.0, 0.5]);
    assert_eq!(starts(5.25), [0.0, 1.0, 2.0]);
    // Long enough for samples to be dropped.
    assert_eq!(starts(9.5), [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 6.5]);
}

#[test]
fn a_row_is_its_three_seconds_alone() {
    let samples = noise(22_050 * 7 + 12_000);
    let found = windows(&samples, 22_050, 3000);
    assert_eq!(found.len(), 6);
    for (span, row) in &found {
        let start = (span.start * 22_050.0).round() as usize;
        assert_eq!(*row, describe(&samples[start..start + 66_150]), "{span:?}");
        assert!((span.end - span.start - 3.0).abs() < 1e-9);
    }
}

#[test]
fn a_short_sound_is_repeated_to_one_window() {
    let samples = noise(5000);
    let found = windows(&samples, 22_050, 700);
    let repeated: Vec<f32> = samples.iter().copied().cycle().take(66_150).collect();
    assert_eq!(found, [(PatchSpan { start: 0.0, end: 3.0 }, describe(&repeated))]);
    assert_eq!(windows(&[0.5], 22_050, 1).len(), 1);
}

#[test]
fn blocks_do_not_matter() {
    let samples = noise(44_100 * 4);
    let whole = windows(&samples, 44_100, samples.len());
    assert_eq!(whole.len(), 2);
    for length in [997, 4096] {
        assert_eq!(windows(&samples, 44_100, length), whole);
    }
}

#[test]
fn a_gap_starts_a_segment() {
    let mut stream = DescriptorStream::new().unwrap();
    let mut starts = Vec::new();
    let samples = noise(22_050 * 4);
    for start in [0, 200_000] {
        let mut block = Block::with_capacity(RATE, 1, samples.len());
        block.interleaved.extend_from_slice(&samples);
        block.span = Span { start, end: start + samples.len() as u64 };
        block.gap = start > 0;
        stream.push(&block, &mut |span, _| starts.push(span.start)).unwrap();
    }
    stream.finish(&mut |span, _| starts.push(span.start)).unwrap();
    let after = 200_000.0 / 22_050.0;
    assert_eq!(starts, [0.0, 1.0, after, after + 1.0]);
}

#[test]
fn an_empty_sound_is_refused() {
    let mut stream = DescriptorStream::new().unwrap();
    assert_eq!(stream.finish(&mut |_, _| ()), Err(crate::dsp::DspError::Empty));
}
