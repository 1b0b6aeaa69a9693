//! Whole files, as fast as they decode: the daemon's own front end and model, without threads.
//!
//! `classify`, `embed` and `features` share it, so that offline and live answers cannot differ.

use std::path::{Path, PathBuf};

use crate::audio::{Block, Level, PatchSpan, SampleRate, SourceId};
use crate::decision::{SilenceConfig, State, Verdict, raw};
use crate::dsp::descriptors::{DescriptorStream, Descriptors};
use crate::dsp::{DspError, FrameStream, FrontEnd, LogMelParams, PatchParams};
use crate::model::{Classifier, HeadKind, Model, ModelError, Scores};
use crate::source::{self, Read, Source, SourceError};

/// Why one file has no answer.
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
        /// Why.
        error: DspError,
    },
    /// The model failed.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The answer to one window of a file.
#[derive(Debug, Clone)]
pub struct WindowVerdict {
    /// Where it lies.
    pub span: PatchSpan,
    /// Loudness at its end.
    pub level: Level,
    /// State and best label.
    pub verdict: Verdict,
    /// Posteriors of the head.
    pub posteriors: Vec<f32>,
}

/// The answer to a file: no smoothing, no dwell, no `uncertain`.
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

/// Classifies one file.
///
/// # Errors
/// When it cannot be read, is empty, or the model fails.
pub fn classify(
    file: &Path,
    model: &mut Model,
    hop_seconds: f64,
    silence: &SilenceConfig,
) -> Result<FileVerdict, FileError> {
    let mut windows = Vec::new();
    let mut scored: Vec<Scores> = Vec::new();
    let mut pending: Vec<(PatchSpan, Level)> = Vec::new();
    let duration_s = for_each_batch(file, model, hop_seconds, &mut pending, |model, log_mel, pending| {
        scored.clear();
        model.score(log_mel, pending.len(), &mut scored)?;
        windows.extend(pending.drain(..).zip(scored.drain(..)).map(|((span, level), scores)| {
            WindowVerdict {
                span,
                level,
                verdict: raw(&scores.posteriors, level.lufs_s, silence),
                posteriors: scores.posteriors,
            }
        }));
        Ok(())
    })?;
    let posteriors = mean_posteriors(&windows, model.head().kind());
    let verdict = match state_of(&windows) {
        // Loudness was judged for each window; here the label alone is asked for.
        State::Music => raw(&posteriors, 0.0, silence),
        state => Verdict::state(state),
    };
    Ok(FileVerdict { duration_s, verdict, posteriors, windows })
}

/// Embeds one file: row-major `[patches, dim]`.
///
/// # Errors
/// When it cannot be read, is empty, or the model fails.
pub fn embed(file: &Path, model: &mut Model, hop_seconds: f64) -> Result<Vec<f32>, FileError> {
    let mut embeddings = Vec::new();
    for_each_batch(file, model, hop_seconds, &mut Vec::new(), |model, log_mel, pending| {
        embeddings.extend_from_slice(model.embed(log_mel, pending.len())?);
        pending.clear();
        Ok(())
    })?;
    Ok(embeddings)
}

/// The log-mel frames of one file: row-major `[frames, bands]`.
///
/// # Errors
/// When it cannot be read or is empty.
pub fn features(file: &Path, front_end: &LogMelParams) -> Result<Vec<f32>, FileError> {
    let wrong = |error| FileError::Dsp { file: file.to_path_buf(), error };
    let mut source = source::open_file(file)?;
    let mut stream = FrameStream::new(front_end).map_err(wrong)?;
    let mut frames = Vec::new();
    for_each_block(source.as_mut(), |block| stream.push(block, &mut frames).map_err(wrong))?;
    stream.finish(&mut frames).map_err(wrong)?;
    Ok(frames)
}

/// The descriptors of one file's windows, three seconds each, in order.
///
/// # Errors
/// When it cannot be read or is empty.
pub fn descriptors(file: &Path) -> Result<Vec<(PatchSpan, Descriptors)>, FileError> {
    let wrong = |error| FileError::Dsp { file: file.to_path_buf(), error };
    let mut source = source::open_file(file)?;
    let mut stream = DescriptorStream::new().map_err(wrong)?;
    let mut rows = Vec::new();
    for_each_block(source.as_mut(), |block| {
        stream.push(block, &mut |span, row| rows.push((span, row))).map_err(wrong)
    })?;
    stream.finish(&mut |span, row| rows.push((span, row))).map_err(wrong)?;
    Ok(rows)
}

/// Patches that are scored in one run. On a processor more gain nothing.
const BATCH: usize = 8;

/// Cuts `file` into patches and hands them over in batches; returns its length in seconds.
fn for_each_batch(
    file: &Path,
    model: &mut Model,
    hop_seconds: f64,
    pending: &mut Vec<(PatchSpan, Level)>,
    mut run: impl FnMut(&mut Model, &[f32], &mut Vec<(PatchSpan, Level)>) -> Result<(), ModelError>,
) -> Result<f64, FileError> {
    let wrong = |error| FileError::Dsp { file: file.to_path_buf(), error };
    let mut source = source::open_file(file)?;
    let patches = PatchParams { frames: model.bundle().patch_frames(), hop_seconds };
    let mut front_end = FrontEnd::new(SourceId(0), model.front_end(), &patches).map_err(wrong)?;
    let mut log_mel = Vec::new();
    let mut duration_s = 0.0;
    let mut flush =
        |model: &mut Model, log_mel: &mut Vec<f32>, pending: &mut Vec<_>| -> Result<(), FileError> {
            run(model, log_mel, pending)?;
            log_mel.clear();
            Ok(())
        };
    for_each_block(source.as_mut(), |block| {
        duration_s += block.rate.seconds(block.samples() as u64);
        let mut keep = |view: crate::dsp::PatchView<'_>| {
            log_mel.extend_from_slice(view.log_mel);
            pending.push((view.span, view.level));
        };
        front_end.push(block, &mut keep).map_err(wrong)?;
        if pending.len() >= BATCH { flush(model, &mut log_mel, pending) } else { Ok(()) }
    })?;
    front_end
        .finish(&mut |view| {
            log_mel.extend_from_slice(view.log_mel);
            pending.push((view.span, view.level));
        })
        .map_err(wrong)?;
    if !pending.is_empty() {
        flush(model, &mut log_mel, pending)?;
    }
    Ok(duration_s)
}

fn for_each_block(
    source: &mut dyn Source,
    mut hear: impl FnMut(&Block) -> Result<(), FileError>,
) -> Result<(), FileError> {
    // A guess to begin with: the source sets what the file really has.
    let mut block = Block::with_capacity(SampleRate::HZ_48000, 2, 8192);
    loop {
        match source.read(&mut block)? {
            Read::Audio => hear(&block)?,
            Read::Idle => {}
            Read::End => return Ok(()),
        }
    }
}

/// Music, if at least half of the windows are; else the state of the others (the first of them decides).
fn state_of(windows: &[WindowVerdict]) -> State {
    let music = windows.iter().filter(|window| window.verdict.state == State::Music).count();
    match windows.iter().find(|window| window.verdict.state != State::Music) {
        Some(other) if music * 2 < windows.len() => other.verdict.state,
        _ => State::Music,
    }
}

fn mean_posteriors(windows: &[WindowVerdict], kind: HeadKind) -> Vec<f32> {
    let any_music = windows.iter().any(|window| window.verdict.state == State::Music);
    let heard: Vec<_> =
        windows.iter().filter(|window| !any_music || window.verdict.state == State::Music).collect();
    let labels = heard.first().map_or(0, |window| window.posteriors.len());
    let mut mean = vec![0f64; labels];
    for window in &heard {
        mean.iter_mut().zip(&window.posteriors).for_each(|(sum, p)| *sum += f64::from(*p));
    }
    // Rounding must not leave the sum of a single-label head beside 1.
    let sum: f64 = if kind == HeadKind::Single { mean.iter().sum() } else { heard.len() as f64 };
    mean.into_iter().map(|p| if sum > 0.0 { (p / sum) as f32 } else { 0.0 }).collect()
}
