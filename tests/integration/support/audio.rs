//! Audio fixtures made by real encoders, and reference decoders.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::tool;

/// Length of [`signal`] in seconds.
pub(crate) const SECONDS: f64 = 3.3;

/// A sweep from 100 Hz to 6 kHz over soft noise, interleaved. Channels differ in level and noise.
pub(crate) fn signal(rate: u32, channels: u16, seconds: f64) -> Vec<f32> {
    let mut state = 0x2545_f491_u32;
    let samples = (seconds * f64::from(rate)).round() as usize;
    let mut interleaved = Vec::with_capacity(samples * usize::from(channels));
    for index in 0..samples {
        let time = index as f64 / f64::from(rate);
        let top = 6000_f64.min(0.4 * f64::from(rate));
        let phase = std::f64::consts::TAU * (100.0 * time + (top - 100.0) * time * time / (2.0 * seconds));
        for channel in 0..channels {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = f64::from(state >> 8) / f64::from(1 << 23) - 1.0;
            let level = 0.5 / (1.0 + 0.2 * f64::from(channel));
            interleaved.push((level * phase.sin() + 0.02 * noise) as f32);
        }
    }
    interleaved
}

/// A mono sine of `hertz` at half scale.
pub(crate) fn sine(rate: u32, hertz: f64, seconds: f64) -> Vec<f32> {
    let samples = (seconds * f64::from(rate)).round() as usize;
    (0..samples)
        .map(|index| (0.5 * (std::f64::consts::TAU * hertz * index as f64 / f64::from(rate)).sin()) as f32)
        .collect()
}

/// Writes a float WAV file.
pub(crate) fn write_wav(path: &Path, rate: u32, channels: u16, interleaved: &[f32]) {
    let data = interleaved.len() as u32 * 4;
    let mut bytes = Vec::with_capacity(data as usize + 44);
    bytes.extend_from_slice(b"RIFF");
    bytes.extend_from_slice(&(data + 36).to_le_bytes());
    bytes.extend_from_slice(b"WAVEfmt ");
    bytes.extend_from_slice(&16_u32.to_le_bytes());
    bytes.extend_from_slice(&3_u16.to_le_bytes());
    bytes.extend_from_slice(&channels.to_le_bytes());
    bytes.extend_from_slice(&rate.to_le_bytes());
    bytes.extend_from_slice(&(rate * u32::from(channels) * 4).to_le_bytes());
    bytes.extend_from_slice(&(channels * 4).to_le_bytes());
    bytes.extend_from_slice(&32_u16.to_le_bytes());
    bytes.extend_from_slice(b"data");
    bytes.extend_from_slice(&data.to_le_bytes());
    bytes.extend(interleaved.iter().flat_map(|sample| sample.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

/// Encodes the synthetic signal as `folder/name` with ffmpeg; `arguments` precede the output.
pub(crate) fn encode(folder: &Path, name: &str, rate: u32, channels: u16, arguments: &[&str]) -> PathBuf {
    let input = folder.join(format!("signal-{rate}-{channels}.wav"));
    if !input.exists() {
        write_wav(&input, rate, channels, &signal(rate, channels, SECONDS));
    }
    let output = folder.join(name);
    convert(&input, &output, arguments);
    output
}

/// Runs `ffmpeg -i INPUT ARGUMENTS OUTPUT`.
pub(crate) fn convert(input: &Path, output: &Path, arguments: &[&str]) {
    let run = tool("ffmpeg", "ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(input)
        .args(arguments)
        .arg(output)
        .output()
        .unwrap();
    assert!(run.status.success(), "{}: {}", output.display(), String::from_utf8_lossy(&run.stderr));
}

/// Decodes `path` with ffmpeg. Returns interleaved samples at the file's rate and channel count.
pub(crate) fn decode_with_ffmpeg(path: &Path) -> Vec<f32> {
    let run = tool("ffmpeg", "ffmpeg")
        .args(["-v", "fatal", "-i"])
        .arg(path)
        .args(["-f", "f32le", "-c:a", "pcm_f32le", "-"])
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    run.stdout.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// Normalized correlation of two signals over their common length, without a shift.
pub(crate) fn correlation(one: &[f32], other: &[f32]) -> f64 {
    let (mut product, mut left, mut right) = (0.0, 0.0, 0.0);
    for (&a, &b) in one.iter().zip(other) {
        let (a, b) = (f64::from(a), f64::from(b));
        product += a * b;
        left += a * a;
        right += b * b;
    }
    product / (left * right).sqrt()
}
