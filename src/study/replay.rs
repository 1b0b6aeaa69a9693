//! Replayed music, so that a fit keeps its accuracy on other music: embeddings drawn from the
//! statistics of music, with the known head's answers as targets. No recording is needed.

use ndarray::Array2;

use crate::learn::{Labelling, MusicStatistics, PriorMean, posteriors};

/// Drawn rows. With 300 the draw begins to matter, beyond 1,500 nothing changes.
const ROWS: usize = 1_500;

/// Weight of all drawn rows together, in tracks. It is constant, so that they count less the more
/// training material there is.
const TRACKS: f64 = 200.0;

const SEED: u64 = 1;

/// Logit of a label that a head does not have.
pub(super) const NEVER: f64 = -1e30;

/// Drawn embeddings and their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Replay {
    /// `[rows, dim]`
    pub(super) embeddings: Array2<f32>,
    /// Posteriors of the known head, 0 for labels that it lacks, `[rows, labels]`.
    pub(super) targets: Array2<f64>,
    /// Weight of all rows together, in tracks.
    pub(super) tracks: f64,
}

impl Replay {
    /// Music as `statistics` describe it, as the head `known` answers it.
    pub fn new(statistics: &MusicStatistics, known: &PriorMean, labelling: Labelling) -> Self {
        let embeddings = statistics.draw(ROWS, SEED);
        let mut targets = known.logits.logits(embeddings.view());
        for (label, _) in known.is_known.iter().enumerate().filter(|(_, is_known)| !**is_known) {
            targets.column_mut(label).fill(NEVER);
        }
        targets.rows_mut().into_iter().for_each(|mut row| posteriors(labelling, &mut row));
        Self { embeddings, targets, tracks: TRACKS }
    }
}
