//! What model is configured to be scored, and on what.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::trunk_entry::TrunkKind;

/// Where a trunk runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The processor.
    Cpu,
    /// An NVIDIA card.
    Cuda,
}

impl Provider {
    /// The name in configuration, logs and payloads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda => "cuda",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// `[model]`
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// A bundle's name, or a path to one.
    pub bundle: String,
    /// Trunk of the bundle. Left out: the streamed one, or the only one.
    pub trunk: Option<TrunkKind>,
    /// A head of the bundle, or a path to a head's TOML file.
    pub head: String,
    /// Tried in this order. Left out: CUDA where its plugin lies beside the runtime, then the CPU.
    pub execution_providers: Option<Vec<Provider>>,
    /// Threads of one inference, at least 1.
    pub threads: usize,
    /// Path of `libonnxruntime.so`.
    pub onnxruntime: Option<PathBuf>,
    /// Most pieces of sound, of different sources, that are scored in one run, at least 1. Left out: 4 on the
    /// processor, where more gain nothing, and 64 on a card.
    pub max_batch: Option<usize>,
    /// Milliseconds that a run waits for more of them than there are. Left out: 0 on the processor, 5 on a card.
    pub max_wait_ms: Option<u32>,
    /// Seconds of sound, 0 to 3, that go through a streamed trunk in one run at least: patches at shorter hops wait
    /// for each other, which costs less.
    pub run_seconds: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            bundle: "musicnn-msd".into(),
            trunk: None,
            head: "genres".into(),
            execution_providers: None,
            threads: 1,
            onnxruntime: None,
            max_batch: None,
            max_wait_ms: None,
            run_seconds: 1.0,
        }
    }
}

impl ModelConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// A message that names the key.
    pub fn validate(&self) -> Result<(), String> {
        if !(1..=256).contains(&self.threads) {
            return Err(format!("`model.threads` is {}, not 1 to 256", self.threads));
        }
        if let Some(max_batch) = self.max_batch.filter(|size| !(1..=1024).contains(size)) {
            return Err(format!("`model.max_batch` is {max_batch}, not 1 to 1024"));
        }
        if let Some(max_wait) = self.max_wait_ms.filter(|wait| *wait > 1000) {
            return Err(format!("`model.max_wait_ms` is {max_wait}, not 0 to 1000"));
        }
        if !(0.0..=3.0).contains(&self.run_seconds) {
            return Err(format!("`model.run_seconds` is {}, not 0 to 3", self.run_seconds));
        }
        if self.execution_providers.as_ref().is_some_and(Vec::is_empty) {
            return Err(
                "`model.execution_providers` is empty; name `cuda`, `cpu` or both, or leave it out".into()
            );
        }
        Ok(())
    }

    /// Most pieces a run on `provider`.
    pub fn max_batch(&self, provider: Provider) -> usize {
        self.max_batch.unwrap_or(match provider {
            Provider::Cpu => 4,
            Provider::Cuda => 64,
        })
    }

    /// How long a run on `provider` waits for more pieces.
    pub fn max_wait(&self, provider: Provider) -> Duration {
        let milliseconds = self.max_wait_ms.unwrap_or(match provider {
            Provider::Cpu => 0,
            Provider::Cuda => 5,
        });
        Duration::from_millis(milliseconds.into())
    }
}
