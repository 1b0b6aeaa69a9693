//! Verdicts on patches, and on several patches together.

use super::embedding::EmbeddedAudio;
use crate::audio::{Level, PatchSpan};
use crate::decision::{SilenceConfig, Verdict, raw};
use crate::event::SourceState;
use crate::model::{Gate, Head, HeadKind};

/// Verdict on one patch of a file.
#[derive(Debug, Clone)]
pub struct WindowVerdict {
    /// Position.
    pub span: PatchSpan,
    /// Loudness at the end.
    pub level: Level,
    /// State and best label.
    pub verdict: Verdict,
    /// Posteriors of the head.
    pub posteriors: Vec<f32>,
}

/// Verdict on a file as a whole: no segments, no debouncing, no `uncertain`.
#[derive(Debug, Clone)]
pub struct FileVerdict {
    /// Decoded length in seconds.
    pub duration_s: f64,
    /// Verdict on all patches together.
    pub verdict: Verdict,
    /// Mean posteriors of the patches with music, or of all patches if there is no music.
    pub posteriors: Vec<f32>,
    /// Verdicts on the patches, in order.
    pub windows: Vec<WindowVerdict>,
}

/// Scores each patch with `head`, and with the gate if there is one.
pub fn score_patches(
    embedded: &EmbeddedAudio,
    head: &Head,
    gate: Option<&Gate>,
    silence: &SilenceConfig,
) -> Vec<WindowVerdict> {
    let dim = embedded.embeddings.len() / embedded.spans.len().max(1);
    let places = embedded.spans.iter().zip(&embedded.levels);
    places
        .zip(embedded.embeddings.chunks_exact(dim.max(1)))
        .map(|((span, level), embedding)| {
            let posteriors = head.posteriors(embedding);
            let gate = gate.map(|gate| gate.posteriors(embedding));
            let verdict = raw(&posteriors, gate, level.lufs_s, silence);
            WindowVerdict { span: *span, level: *level, verdict, posteriors }
        })
        .collect()
}

/// Verdict on several patches, and their mean posteriors: of those with music, or of all if there
/// is no music.
pub fn verdict_of(windows: &[WindowVerdict], kind: HeadKind, silence: &SilenceConfig) -> (Verdict, Vec<f32>) {
    let posteriors = mean_posteriors(windows, kind);
    let verdict = match state_of(windows) {
        // Loudness and gate have been evaluated for each patch; only the label is open.
        SourceState::Music => raw(&posteriors, None, 0.0, silence),
        state => Verdict::state(state),
    };
    (verdict, posteriors)
}

/// State of most patches; of states that are equally frequent, the first of music, speech, noise
/// and silence.
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
    let counted: Vec<_> =
        windows.iter().filter(|window| !any_music || window.verdict.state == SourceState::Music).collect();
    let labels = counted.first().map_or(0, |window| window.posteriors.len());
    let mut mean = vec![0f64; labels];
    for window in &counted {
        mean.iter_mut().zip(&window.posteriors).for_each(|(sum, p)| *sum += f64::from(*p));
    }
    // Rounding must not leave the sum of a single-label head beside 1.
    let sum: f64 = if kind == HeadKind::Single { mean.iter().sum() } else { counted.len() as f64 };
    mean.into_iter().map(|p| if sum > 0.0 { (p / sum) as f32 } else { 0.0 }).collect()
}
