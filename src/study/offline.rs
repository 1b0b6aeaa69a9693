//! Whole files, as fast as they decode: the daemon's own front end and model, without threads.
//!
//! `classify`, `embed`, `features`, `train` and `eval` share it, so that offline and live answers
//! cannot differ.

mod joined;

use std::path::{Path, PathBuf};

pub use joined::{Cut, Joined, hear_joined};

use sha2::{Digest, Sha256};

use crate::audio::{Block, Level, PatchSpan, SampleRate, SourceId};
use crate::decision::{SilenceConfig, Verdict, raw};
use crate::dsp::descriptors::{DescriptorStream, Descriptors};
use crate::dsp::{DspError, FrameStream, FrontEnd, LogMelParams, PatchView};
use crate::event::SourceState;
use crate::model::{Cutter, Gate, Head, HeadKind, Model, ModelError, Stretch, hex};
use crate::source::{self, Read, Source, SourceError};

/// Reason for a file without an answer.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Its sound cannot be analysed.
    #[error("`{}`: {error}", file.display())]
    Dsp {
        /// The file.
        file: PathBuf,
        /// Reason.
        error: DspError,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The answer to one window of a file.
#[derive(Debug, Clone)]
pub struct WindowVerdict {
    /// Position.
    pub span: PatchSpan,
    /// Loudness at its end.
    pub level: Level,
    /// State and best label.
    pub verdict: Verdict,
    /// Posteriors of the head.
    pub posteriors: Vec<f32>,
}

/// The answer to a file as a whole: no runs, nothing held, no `uncertain`.
#[derive(Debug, Clone)]
pub struct FileVerdict {
    /// Decoded length in seconds.
    pub duration_s: f64,
    /// Of its windows together.
    pub verdict: Verdict,
    /// Mean posteriors over the windows of music; over all, where none is.
    pub posteriors: Vec<f32>,
    /// In order.
    pub windows: Vec<WindowVerdict>,
}

/// Output of the trunk for a file, before any head.
#[derive(Debug, Clone, Default)]
pub struct Heard {
    /// Decoded length in seconds.
    pub duration_s: f64,
    /// Fingerprint of the recording, independent of its file name and container:
    /// SHA-256, in lower-case hexadecimal digits, of the decoded samples at their own rate,
    /// interleaved, each rounded to 16 bits (times 32768, clamped; what is not a number counts as
    /// 0), little-endian. Equal for WAV and FLAC of the same 16-bit samples.
    pub pcm_sha256: String,
    /// Positions of its patches, in order.
    pub spans: Vec<PatchSpan>,
    /// Loudness at the end of each.
    pub levels: Vec<Level>,
    /// Row-major `[patches, dim]`.
    pub embeddings: Vec<f32>,
}

/// Hears one file: everything about it that does not depend on a head.
///
/// # Errors
/// The file cannot be read, is empty, or the model fails.
pub fn hear(file: &Path, model: &mut Model, hop_seconds: f64) -> Result<Heard, FileError> {
    hear_altered(file, model, hop_seconds, |_| {})
}

/// Hears one file as [`hear`] does, after `alter` has changed each block of its sound; length and
/// hash are the original's. A changed rate must be the same for all blocks.
///
/// # Errors
/// As [`hear`].
pub fn hear_altered(
    file: &Path,
    model: &mut Model,
    hop_seconds: f64,
    mut alter: impl FnMut(&mut Block),
) -> Result<Heard, FileError> {
    let wrong = |error| FileError::Dsp { file: file.to_path_buf(), error };
    let mut source = source::open::open_file(file)?;
    let patches = model.feed().patches(hop_seconds);
    let mut front_end = FrontEnd::new(SourceId(0), model.front_end(), &patches).map_err(wrong)?;
    let mut fingerprint = Fingerprint::default();
    let mut heard = Heard::default();
    let mut waiting = Waiting::new(model);
    for_each_block(source.as_mut(), |block| {
        heard.duration_s += block.rate.seconds(block.samples() as u64);
        fingerprint.update(&block.interleaved);
        alter(block);
        front_end.push(block, &mut |view| heard.keep(&view, &mut waiting)).map_err(wrong)?;
        if waiting.count >= BATCH { heard.embed(model, &mut waiting) } else { Ok(()) }
    })?;
    front_end.finish(&mut |view| heard.keep(&view, &mut waiting)).map_err(wrong)?;
    heard.embed(model, &mut waiting)?;
    heard.pcm_sha256 = fingerprint.finish();
    Ok(heard)
}

/// Asks `head`, and the gate where there is one, about each patch of a file.
pub fn judge(heard: &Heard, head: &Head, gate: Option<&Gate>, silence: &SilenceConfig) -> Vec<WindowVerdict> {
    let dim = heard.embeddings.len() / heard.spans.len().max(1);
    let places = heard.spans.iter().zip(&heard.levels);
    places
        .zip(heard.embeddings.chunks_exact(dim.max(1)))
        .map(|((span, level), embedding)| {
            let posteriors = head.posteriors(embedding);
            let gate = gate.map(|gate| gate.posteriors(embedding));
            let verdict = raw(&posteriors, gate, level.lufs_s, silence);
            WindowVerdict { span: *span, level: *level, verdict, posteriors }
        })
        .collect()
}

/// Classifies one file.
///
/// # Errors
/// As [`hear`].
pub fn classify(
    file: &Path,
    model: &mut Model,
    hop_seconds: f64,
    silence: &SilenceConfig,
) -> Result<FileVerdict, FileError> {
    let heard = hear(file, model, hop_seconds)?;
    let windows = judge(&heard, model.head(), model.gate(), silence);
    let (verdict, posteriors) = verdict_of(&windows, model.head().kind(), silence);
    Ok(FileVerdict { duration_s: heard.duration_s, verdict, posteriors, windows })
}

/// Verdict on several patches, and their mean posteriors: of the music among them, or of all
/// where none is.
pub fn verdict_of(windows: &[WindowVerdict], kind: HeadKind, silence: &SilenceConfig) -> (Verdict, Vec<f32>) {
    let posteriors = mean_posteriors(windows, kind);
    let verdict = match state_of(windows) {
        // Loudness and gate were judged for each window; here the label alone is asked for.
        SourceState::Music => raw(&posteriors, None, 0.0, silence),
        state => Verdict::state(state),
    };
    (verdict, posteriors)
}

/// The log-mel frames of one file: row-major `[frames, bands]`.
///
/// # Errors
/// The file cannot be read or is empty.
pub fn features(file: &Path, front_end: &LogMelParams) -> Result<Vec<f32>, FileError> {
    let wrong = |error| FileError::Dsp { file: file.to_path_buf(), error };
    let mut source = source::open::open_file(file)?;
    let mut stream = FrameStream::new(front_end).map_err(wrong)?;
    let mut frames = Vec::new();
    for_each_block(source.as_mut(), |block| stream.push(block, &mut frames).map_err(wrong))?;
    stream.finish(&mut frames).map_err(wrong)?;
    Ok(frames)
}

/// The descriptors of one file's windows, three seconds each, in order.
///
/// # Errors
/// The file cannot be read or is empty.
pub fn descriptors(file: &Path) -> Result<Vec<(PatchSpan, Descriptors)>, FileError> {
    let wrong = |error| FileError::Dsp { file: file.to_path_buf(), error };
    let mut source = source::open::open_file(file)?;
    let mut stream = DescriptorStream::new().map_err(wrong)?;
    let mut rows = Vec::new();
    for_each_block(source.as_mut(), |block| {
        stream.push(block, &mut |span, row| rows.push((span, row))).map_err(wrong)
    })?;
    stream.finish(&mut |span, row| rows.push((span, row))).map_err(wrong)?;
    Ok(rows)
}

/// Patches that are embedded in one run. On a processor more gain nothing.
const BATCH: usize = 8;

/// Stretches that wait to be embedded together.
struct Waiting {
    cutter: Cutter,
    stretches: Vec<Stretch>,
    count: usize,
}

impl Waiting {
    fn new(model: &mut Model) -> Self {
        // Whatever the model has heard before was another file.
        model.forget();
        Self { cutter: Cutter::new(model.feed(), 0), stretches: vec![Stretch::default()], count: 0 }
    }
}

impl Heard {
    fn keep(&mut self, view: &PatchView<'_>, waiting: &mut Waiting) {
        self.spans.push(view.patch.span);
        self.levels.push(view.patch.level);
        if waiting.cutter.add(view, &mut waiting.stretches[waiting.count]) {
            waiting.count += 1;
            if waiting.stretches.len() == waiting.count {
                waiting.stretches.push(Stretch::default());
            }
        }
    }

    fn embed(&mut self, model: &mut Model, waiting: &mut Waiting) -> Result<(), FileError> {
        let whole: Vec<&Stretch> = waiting.stretches[..waiting.count].iter().collect();
        self.embeddings.extend_from_slice(model.embed(&whole)?);
        // The one that is not whole yet comes first now.
        waiting.stretches.swap(0, waiting.count);
        waiting.stretches[1..].iter_mut().for_each(Stretch::clear);
        waiting.count = 0;
        Ok(())
    }
}

/// The hash of decoded samples, as they come.
#[derive(Default)]
struct Fingerprint {
    digest: Sha256,
    bytes: Vec<u8>,
}

impl Fingerprint {
    fn update(&mut self, interleaved: &[f32]) {
        self.bytes.clear();
        // The cast clamps, and takes what is not a number for 0.
        self.bytes
            .extend(interleaved.iter().flat_map(|sample| ((sample * 32_768.0).round() as i16).to_le_bytes()));
        self.digest.update(&self.bytes);
    }

    fn finish(self) -> String {
        hex(&self.digest.finalize())
    }
}

fn for_each_block(
    source: &mut dyn Source,
    mut hear: impl FnMut(&mut Block) -> Result<(), FileError>,
) -> Result<(), FileError> {
    // A guess to begin with: the source sets what the file really has.
    let mut block = Block::with_capacity(SampleRate::HZ_48000, 2, 8192);
    loop {
        match source.read(&mut block)? {
            Read::Audio => hear(&mut block)?,
            Read::Idle => {}
            Read::End => return Ok(()),
        }
    }
}

/// The state of most windows; of states that are equally frequent, the first of music, speech,
/// noise and silence.
fn state_of(windows: &[WindowVerdict]) -> SourceState {
    let (mut most, mut state) = (0, SourceState::Music);
    for candidate in [SourceState::Music, SourceState::Speech, SourceState::Noise, SourceState::Silence] {
        let count = windows.iter().filter(|window| window.verdict.state == candidate).count();
        if count > most {
            (most, state) = (count, candidate);
        }
    }
    state
}

fn mean_posteriors(windows: &[WindowVerdict], kind: HeadKind) -> Vec<f32> {
    let any_music = windows.iter().any(|window| window.verdict.state == SourceState::Music);
    let heard: Vec<_> =
        windows.iter().filter(|window| !any_music || window.verdict.state == SourceState::Music).collect();
    let labels = heard.first().map_or(0, |window| window.posteriors.len());
    let mut mean = vec![0f64; labels];
    for window in &heard {
        mean.iter_mut().zip(&window.posteriors).for_each(|(sum, p)| *sum += f64::from(*p));
    }
    // Rounding must not leave the sum of a single-label head beside 1.
    let sum: f64 = if kind == HeadKind::Single { mean.iter().sum() } else { heard.len() as f64 };
    mean.into_iter().map(|p| if sum > 0.0 { (p / sum) as f32 } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: `printf '\000\000\377\177\000\200\001\000\000\000' | sha256sum`.
    #[test]
    fn the_fingerprint_is_that_of_16_bit_samples_however_they_come() {
        let samples = [0.0, 1.5, -7.0, 0.6 / 32_768.0, f32::NAN];
        let whole = {
            let mut fingerprint = Fingerprint::default();
            fingerprint.update(&samples);
            fingerprint.finish()
        };
        let mut pieces = Fingerprint::default();
        samples.chunks(2).for_each(|piece| pieces.update(piece));
        assert_eq!(whole, "0b536f3fb4b6508694d0a9bbe940f7227caa3072f1bc92cd32021d3a998322d5");
        assert_eq!(pieces.finish(), whole);
    }
}
