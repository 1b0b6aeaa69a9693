//! `[model]`: the model bundle, its head and the execution provider.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::trunk_entry::TrunkKind;
use crate::limits::{ConfigError, Limit};

const THREADS: Limit = Limit::new("model.threads", 1.0, 256.0, "");
const MAX_BATCH: Limit = Limit::new("model.max_batch", 1.0, 1024.0, "");
const MAX_WAIT_MS: Limit = Limit::new("model.max_wait_ms", 0.0, 1000.0, "milliseconds");
const MIN_RUN_S: Limit = Limit::new("model.min_run_s", 0.0, 3.0, "seconds");

/// Execution provider of ONNX Runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// CPU.
    Cpu,
    /// NVIDIA GPU.
    Cuda,
}

impl Provider {
    /// Returns the name in configuration, logs and payloads.
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
    /// Name or path of the bundle.
    pub bundle: String,
    /// Trunk of the bundle. Default: the streamed one, or the only one.
    pub trunk: Option<TrunkKind>,
    /// Name of a head of the bundle, or path of a head's TOML file.
    pub head: String,
    /// Execution providers in order of preference. Default: CUDA where its plugin lies next to the
    /// runtime, then the CPU.
    pub execution_providers: Option<Vec<Provider>>,
    /// Threads per inference run, 1 to 256.
    pub threads: usize,
    /// Path of `libonnxruntime.so`.
    pub onnxruntime: Option<PathBuf>,
    /// Maximum number of jobs, of different sources, that one inference run scores, 1 to 1024.
    /// Default: 4 on the CPU, where larger batches gain nothing, and 64 on a GPU.
    pub max_batch: Option<usize>,
    /// Maximum time, in milliseconds, that an incomplete batch waits for more jobs, 0 to 1000.
    /// Default: 0 on the CPU, 5 on a GPU.
    pub max_wait_ms: Option<u32>,
    /// Minimum audio, in seconds, 0 to 3, per run of a streamed trunk. At shorter hops, patches
    /// wait for each other and share a run.
    pub min_run_s: f64,
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
            min_run_s: 1.0,
        }
    }
}

impl ModelConfig {
    /// Checks limits.
    ///
    /// # Errors
    /// The first setting outside its limits.
    pub fn validate(&self) -> Result<(), ConfigError> {
        THREADS.check(self.threads as f64)?;
        MAX_BATCH.check(self.max_batch.unwrap_or(1) as f64)?;
        MAX_WAIT_MS.check(self.max_wait_ms.unwrap_or(0).into())?;
        MIN_RUN_S.check(self.min_run_s)?;
        if self.execution_providers.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::new(
                "model.execution_providers",
                "empty",
                "`cuda`, `cpu` or both, or no such key",
            ));
        }
        Ok(())
    }

    /// Returns the maximum batch size on `provider`.
    pub fn max_batch(&self, provider: Provider) -> usize {
        self.max_batch.unwrap_or(match provider {
            Provider::Cpu => 4,
            Provider::Cuda => 64,
        })
    }

    /// Returns the time that an incomplete batch waits for more jobs on `provider`.
    pub fn max_wait(&self, provider: Provider) -> Duration {
        let milliseconds = self.max_wait_ms.unwrap_or(match provider {
            Provider::Cpu => 0,
            Provider::Cuda => 5,
        });
        Duration::from_millis(milliseconds.into())
    }
}
