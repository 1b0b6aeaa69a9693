//! Gate: classifies patches as music, speech or noise.

use super::error::ModelError;
use super::head::{GATE_HEAD, Head, HeadKind};
use super::manifest::Bundle;
use super::open_head::open_head;
use crate::event::GatePosteriors;

const LABELS: [&str; 3] = ["music", "speech", "noise"];

/// Head with the fixed labels `music`, `speech` and `noise`.
pub struct Gate {
    head: Head,
    /// Index of each of [`LABELS`] in the head's labels.
    index: [Option<usize>; 3],
}

impl Gate {
    /// Opens the bundle's gate; `None` where it has none.
    ///
    /// # Errors
    /// The head cannot be read, is not of kind `single`, or has labels other than `music`, `speech`
    /// and `noise`.
    pub fn open(bundle: &Bundle) -> Result<Option<Self>, ModelError> {
        let file = bundle.folder.join("heads").join(format!("{GATE_HEAD}.toml"));
        if !file.exists() {
            return Ok(None);
        }
        Self::new(open_head(bundle, GATE_HEAD)?).map(Some).map_err(|what| ModelError::Head { file, what })
    }

    fn new(head: Head) -> Result<Self, String> {
        if head.kind() != HeadKind::Single {
            return Err("a gate must be of kind `single`".into());
        }
        if let Some(other) = head.labels().iter().find(|label| !LABELS.contains(&&***label)) {
            return Err(format!("a gate's labels are `music`, `speech` and `noise`; it has `{other}`"));
        }
        let index = LABELS.map(|name| head.labels().iter().position(|label| &**label == name));
        if index[0].is_none() || head.labels().len() < 2 {
            return Err("a gate must have `music` and at least one of `speech` and `noise`".into());
        }
        Ok(Self { head, index })
    }

    /// Returns the underlying head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Posteriors, 0 to 1, of one embedding; 0 for labels that the head lacks.
    pub fn posteriors(&self, embedding: &[f32]) -> GatePosteriors {
        self.labelled(&self.head.posteriors(embedding))
    }

    /// Posteriors of each of several embeddings, `[n, dim]` row-major.
    pub fn posteriors_of_each(&self, embeddings: &[f32]) -> Vec<GatePosteriors> {
        self.head.posteriors_of_each(embeddings).iter().map(|posteriors| self.labelled(posteriors)).collect()
    }

    fn labelled(&self, posteriors: &[f32]) -> GatePosteriors {
        let [music, speech, noise] =
            self.index.map(|index| index.and_then(|at| posteriors.get(at)).copied().unwrap_or(0.0));
        GatePosteriors { music, speech, noise }
    }
}
