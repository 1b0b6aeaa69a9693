//! Layer 2: inference, from log-mel patches to posteriors.
//!
//! A bundle (`models/README.md` tells its layout) holds one or two trunks, which turn patches into
//! embeddings, and heads, which turn an embedding into labels. Its manifest says how the patches
//! are made; the front end is built from it and from nothing else.

mod config;
mod error;
mod gate;
mod golden;
mod head;
mod layer;
mod level;
mod manifest;
mod open_head;
mod pool;
mod session;
mod stream;
mod trunk;
mod trunk_entry;

pub use config::{ModelConfig, Provider};
pub use error::ModelError;
pub use gate::Gate;
pub(crate) use head::GATE_HEAD;
use head::TAG_HEAD;
pub use head::{Head, HeadKind};
pub use layer::LayerWeights;
pub use manifest::{Bundle, Manifest, TrainingEntry, hex};
pub use open_head::is_head_path;
pub use session::Runtime;
pub use stream::{Cutter, Feed, Streamed, Stretch};
pub use trunk_entry::{TrunkEntry, TrunkKind};

use std::sync::Arc;

use crate::dsp::LogMelParams;
use crate::event::GatePosteriors;
use golden::Golden;
use open_head::open_head;
use pool::Pooling;
use session::{Signature, TrunkSession};
use trunk::Trunk;

/// Scores of one patch.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Posteriors of the genre head, in the order of its labels.
    pub posteriors: Vec<f32>,
    /// Posteriors of the tag head, where the bundle has one.
    pub tags: Vec<f32>,
    /// Posteriors of the gate, where the bundle has one.
    pub gate: Option<GatePosteriors>,
    /// Embedding of the patch; empty unless [`Model::keep_embeddings`] was called.
    pub embedding: Vec<f32>,
}

/// Scores stretches of frames. Owned by one thread.
pub trait Classifier: Send {
    /// Appends one entry per patch of `stretches` to `scores`, in order. The entry is `None` where
    /// frames are missing because an earlier run failed. Stretches of one source must come in the
    /// order in which they were cut.
    ///
    /// # Errors
    /// The runtime fails; nothing is appended.
    fn score(&mut self, stretches: &[&Stretch], scores: &mut Vec<Option<Scores>>) -> Result<(), ModelError>;
}

/// A loaded bundle: a trunk on one execution provider and its heads.
pub struct Model {
    bundle: Bundle,
    trunk: Trunk,
    trunk_kind: TrunkKind,
    feed: Feed,
    lookahead_ms: f64,
    trunk_sha256: Arc<str>,
    head: Head,
    tags: Option<Head>,
    gate: Option<Gate>,
    provider: Provider,
    provider_reason: String,
    embedding: Vec<f32>,
    keeps_embeddings: bool,
    /// Indices of the last call's patches with missing frames.
    missing: Vec<usize>,
}

impl Model {
    /// Labels of the configured head, without loading the network.
    ///
    /// # Errors
    /// The bundle or the head cannot be read.
    pub fn labels(config: &ModelConfig) -> Result<Vec<Arc<str>>, ModelError> {
        Ok(open_head(&Bundle::open(&config.bundle)?, &config.head)?.labels().to_vec())
    }

    /// Opens the bundle, starts the first execution provider that works, and verifies it against
    /// the bundle's golden patches.
    ///
    /// # Errors
    /// The bundle is missing or inconsistent, the runtime is missing, no provider works, or the
    /// scores differ from the golden ones.
    pub fn load(config: &ModelConfig) -> Result<Self, ModelError> {
        let bundle = Bundle::open(&config.bundle)?;
        let runtime = Runtime::load(config.onnxruntime.as_deref())?;
        let entry = bundle.trunk(config.trunk)?;
        let bytes = bundle.read(entry.file())?;
        let head = open_head(&bundle, &config.head)?;
        let tags = match bundle.folder.join("heads").join(format!("{TAG_HEAD}.toml")).exists() {
            true => Some(open_head(&bundle, TAG_HEAD)?),
            false => None,
        };
        // The gate as the configured head is not gated itself.
        let gate = match &**head.name() == GATE_HEAD {
            true => None,
            false => Gate::open(&bundle)?,
        };

        let (wanted, origin) = provider_preference(config, &runtime);
        let signature = Signature::new(&bundle, entry);
        let feed = bundle.feed(entry, config.min_run_s);
        let pooling = open_pooling(&bundle, entry)?;
        let mut failures = Vec::new();
        let last = wanted.last().copied();
        for provider in wanted {
            let session = TrunkSession::open(&runtime, &bytes, provider, config.threads, signature.clone());
            let attempt = session
                // After the check of tensor shapes, whose errors are more specific.
                .and_then(|session| {
                    let mut trunk = match &pooling {
                        Some((pooling, dim)) => Trunk::streamed(session, feed.patch, pooling.clone(), *dim),
                        None => Trunk::windowed(session, feed.patch),
                    };
                    let heads = [Some(&head), tags.as_ref(), gate.as_ref().map(Gate::head)];
                    let heads: Vec<&Head> = heads.into_iter().flatten().collect();
                    let golden = Golden::read(&bundle, &heads, entry.kind())?;
                    golden.verify_front_end(&bundle)?;
                    golden.verify(&mut trunk, &feed, &heads)?;
                    Ok(trunk)
                });
            match attempt {
                Ok(trunk) => {
                    let provider_reason =
                        if failures.is_empty() { origin.to_owned() } else { failures.join("; ") };
                    return Ok(Self {
                        trunk,
                        trunk_kind: entry.kind(),
                        lookahead_ms: match entry {
                            TrunkEntry::Streamed(trunk) => trunk.lookahead_ms,
                            TrunkEntry::Windowed(_) => 0.0,
                        },
                        feed,
                        trunk_sha256: manifest::sha256_hex(&bytes).into(),
                        head,
                        tags,
                        gate,
                        provider,
                        provider_reason,
                        embedding: Vec::new(),
                        keeps_embeddings: false,
                        missing: Vec::new(),
                        bundle,
                    });
                }
                // A mismatch does not depend on the provider.
                Err(ModelError::Mismatch(what)) if provider == Provider::Cpu => {
                    return Err(ModelError::Manifest { file: bundle.folder.join("manifest.toml"), what });
                }
                Err(error @ ModelError::Manifest { .. }) => return Err(error),
                // The CPU provider supports every model, so the file is at fault.
                Err(ModelError::Provider { provider: Provider::Cpu, reason }) => {
                    let file = bundle.folder.join(entry.file());
                    return Err(ModelError::Manifest { file, what: format!("cannot be loaded: {reason}") });
                }
                Err(error) => {
                    // The failure of the last provider becomes the returned error.
                    if Some(provider) != last {
                        tracing::warn!("{error}");
                    }
                    failures.push(error.to_string());
                }
            }
        }
        Err(ModelError::Runtime(format!(
            "no execution provider works: {}; add `cpu` to `model.execution_providers`",
            failures.join("; ")
        )))
    }

    /// Returns the bundle.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Parameters of the front end that computes the patches.
    pub fn front_end(&self) -> &LogMelParams {
        &self.bundle.front_end
    }

    /// Returns the genre head.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Opens another head for the same embedding. `name` is a name or the path of a TOML file.
    ///
    /// # Errors
    /// The head does not exist or does not fit the embedding.
    pub fn open_head(&self, name: &str) -> Result<Head, ModelError> {
        open_head(&self.bundle, name)
    }

    /// Returns the tag head; `None` where the bundle has none.
    pub fn tag_head(&self) -> Option<&Head> {
        self.tags.as_ref()
    }

    /// Returns the gate; `None` where the bundle has none.
    pub fn gate(&self) -> Option<&Gate> {
        self.gate.as_ref()
    }

    /// Returns the execution provider in use.
    pub fn provider(&self) -> Provider {
        self.provider
    }

    /// Reason for the provider: its origin, or the failures of preferred ones.
    pub fn provider_reason(&self) -> &str {
        &self.provider_reason
    }

    /// Kind of the trunk in use.
    pub fn trunk_kind(&self) -> TrunkKind {
        self.trunk_kind
    }

    /// SHA-256 of the file that is scored.
    pub fn trunk_sha256(&self) -> &Arc<str> {
        &self.trunk_sha256
    }

    /// Returns the input requirements of the trunk.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Look-ahead of the trunk, in milliseconds.
    pub fn lookahead_ms(&self) -> f64 {
        self.lookahead_ms
    }

    /// Discards the state of the source with index `source`, so that the index can be reused.
    pub fn forget_source(&mut self, source: usize) {
        self.trunk.forget_source(source);
    }

    /// Discards the state of all sources, so that their indices can be reused.
    pub fn forget(&mut self) {
        self.trunk.forget();
    }

    /// Embeds the patches of `stretches`. Returns `[patches, dim]` row-major, valid until the next
    /// call.
    ///
    /// # Errors
    /// The runtime fails, or frames of a patch are missing.
    pub fn embed(&mut self, stretches: &[&Stretch]) -> Result<&[f32], ModelError> {
        self.embedding.clear();
        self.trunk.embed(stretches, &mut self.embedding, &mut self.missing)?;
        match self.missing.first() {
            None => Ok(&self.embedding),
            Some(patch) => Err(ModelError::Run(format!("frames of patch {patch} of this run are missing"))),
        }
    }

    /// Enables [`Scores::embedding`].
    pub fn keep_embeddings(&mut self) {
        self.keeps_embeddings = true;
    }

    /// Number of values of an embedding.
    pub fn embedding_dim(&self) -> usize {
        self.bundle.manifest.embedding.dim
    }
}

impl Classifier for Model {
    fn score(&mut self, stretches: &[&Stretch], scores: &mut Vec<Option<Scores>>) -> Result<(), ModelError> {
        self.embedding.clear();
        self.trunk.embed(stretches, &mut self.embedding, &mut self.missing)?;
        let first = scores.len();
        let embeddings = &self.embedding;
        let tags = self.tags.as_ref().map(|head| head.posteriors_of_each(embeddings)).unwrap_or_default();
        let gate = self.gate.as_ref().map(|gate| gate.posteriors_of_each(embeddings)).unwrap_or_default();
        let (mut tags, mut gate) = (tags.into_iter(), gate.into_iter());
        let dim = self.bundle.manifest.embedding.dim.max(1);
        let mut kept = embeddings.chunks(dim).filter(|_| self.keeps_embeddings).map(<[f32]>::to_vec);
        scores.extend(self.head.posteriors_of_each(embeddings).into_iter().map(|posteriors| {
            Some(Scores {
                posteriors,
                tags: tags.next().unwrap_or_default(),
                gate: gate.next(),
                embedding: kept.next().unwrap_or_default(),
            })
        }));
        self.missing.iter().for_each(|patch| scores[first + patch] = None);
        Ok(())
    }
}

/// Returns the execution providers to try, in order, and the reason for the first.
fn provider_preference(config: &ModelConfig, runtime: &Runtime) -> (Vec<Provider>, &'static str) {
    match &config.execution_providers {
        Some(list) => (list.clone(), "first in `execution_providers`"),
        None if runtime.has_cuda_plugin() => {
            (vec![Provider::Cuda, Provider::Cpu], "the runtime has its plugin")
        }
        None => (vec![Provider::Cpu], "the runtime has no CUDA plugin"),
    }
}

/// Pooling of a streamed trunk, and its features of a frame.
fn open_pooling(bundle: &Bundle, trunk: TrunkEntry<'_>) -> Result<Option<(Pooling, usize)>, ModelError> {
    let TrunkEntry::Streamed(trunk) = trunk else { return Ok(None) };
    let bytes = bundle.read(&trunk.pooling)?;
    let pooling = Pooling::read(&bytes, trunk.feature_dim, bundle.manifest.embedding.dim)
        .map_err(|what| ModelError::Manifest { file: bundle.folder.join(&trunk.pooling), what })?;
    Ok(Some((pooling, trunk.feature_dim)))
}
