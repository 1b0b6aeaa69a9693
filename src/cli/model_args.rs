//! Options that several subcommands share: model and interval between patches.

use crate::limits::{ArgumentError, HOP_S};
use crate::model::{Bundle, Model, ModelConfig, ModelError, Provider, TrunkKind};

/// Model options of the offline commands.
#[derive(Debug, clap::Args)]
pub(super) struct ModelArgs {
    /// Name or path of the model bundle
    #[arg(long, value_name = "NAME|PATH", default_value = "musicnn-msd")]
    pub(super) model: String,
    /// Trunk of the bundle [default: streamed, or the only one]
    #[arg(long, value_name = "streamed|windowed")]
    pub(super) trunk: Option<TrunkKind>,
    /// Number of threads per inference run
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) threads: usize,
}

impl ModelArgs {
    /// Loads the model for embeddings only: with any head, since a bundle may lack the default one.
    pub(super) fn load_for_embedding(&self) -> Result<Model, ModelError> {
        let heads = Bundle::open(&self.model)?.heads();
        let usual = ModelConfig::default().head;
        self.load(heads.iter().find(|head| **head == usual).or(heads.first()).map(String::as_str))
    }

    pub(super) fn load(&self, head: Option<&str>) -> Result<Model, ModelError> {
        self.load_on(head, None)
    }

    /// Loads the model on `provider`; `None` selects it as the daemon does.
    pub(super) fn load_on(
        &self,
        head: Option<&str>,
        provider: Option<Provider>,
    ) -> Result<Model, ModelError> {
        let defaults = ModelConfig::default();
        Model::load(&ModelConfig {
            bundle: self.model.clone(),
            head: head.map_or(defaults.head, str::to_owned),
            trunk: self.trunk,
            threads: self.threads.max(1),
            execution_providers: provider.map(|provider| vec![provider]),
            ..ModelConfig::default()
        })
    }
}

/// Option for the interval between patches.
#[derive(Debug, clap::Args)]
pub(super) struct HopArgs {
    /// Interval between patches, in seconds, 0.25 to 3
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = parse_hop)]
    pub(super) hop: f64,
}

/// Parses an interval between patches.
pub(super) fn parse_hop(text: &str) -> Result<f64, ArgumentError> {
    HOP_S.parse(text)
}
