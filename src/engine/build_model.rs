//! Builds the model and the description of the daemon.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;

use jiff::Timestamp;

use super::director::{Acknowledged, RunContext};
use super::error::EngineError;
use super::source_worker;
use crate::config::{Config, SourceEntry};
use crate::event::{DaemonInfo, SourceIdentity};
use crate::model::Model;

/// Loads the model and checks that its front end can be built.
pub(super) fn load(config: &Config) -> Result<Model, EngineError> {
    let model = Model::load(&config.model)?;
    let patches = model.feed().patches(config.hop_s);
    source_worker::check(model.front_end(), &patches)?;
    tracing::info!(
        model = model.bundle().manifest.name,
        head = &**model.head().name(),
        execution_provider = %model.provider(),
        reason = model.provider_reason(),
        "model loaded"
    );
    Ok(model)
}

/// Values that stay the same during the run.
pub(super) fn run_context(config: &Config, model: &Model, run: &Arc<str>, control: bool) -> RunContext {
    RunContext {
        run: run.clone(),
        model: model.bundle().manifest.name.as_str().into(),
        head: model.head().name().clone(),
        labels: model.head().labels().to_vec(),
        tags: model.tag_head().map(|head| head.labels().to_vec()).unwrap_or_default(),
        execution_provider: model.provider().as_str(),
        hop_s: config.hop_s,
        heartbeat: config.heartbeat(),
        acknowledged: acknowledged(config),
        control,
    }
}

#[cfg(not(feature = "mqtt"))]
fn acknowledged(_: &Config) -> Acknowledged {
    Acknowledged::default()
}

#[cfg(feature = "mqtt")]
fn acknowledged(config: &Config) -> Acknowledged {
    let enabled = config.mqtt.enabled;
    Acknowledged { windows: enabled && config.mqtt.patch_qos == Some(1), events: enabled }
}

/// Description of the daemon.
pub(super) fn daemon_info(
    config: &Config,
    model: &Model,
    run: &Arc<str>,
    instance: Option<&str>,
    started: Timestamp,
) -> DaemonInfo {
    DaemonInfo {
        run: run.clone(),
        instance: instance.map(Arc::from),
        version: env!("CARGO_PKG_VERSION"),
        started,
        model: model.bundle().manifest.name.as_str().into(),
        model_sha256: model.trunk_sha256().clone(),
        head: model.head().name().clone(),
        labels: model.head().labels().to_vec(),
        execution_provider: model.provider().as_str(),
        execution_provider_reason: model.provider_reason().into(),
        lookahead_ms: model.lookahead_ms(),
        hop_s: config.hop_s,
        sources: config.sources.iter().map(source_identity).collect(),
    }
}

/// Name and address of a configured source.
pub(crate) fn source_identity(entry: &SourceEntry) -> SourceIdentity {
    SourceIdentity {
        name: entry.source.name.as_str().into(),
        display_name: entry.source.display_name.as_str().into(),
        uri: entry.source.uri.to_string().into(),
    }
}

/// Id of this process run: 16 hexadecimal digits, different at every start.
pub(super) fn run_id() -> Arc<str> {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_i128(Timestamp::now().as_nanosecond());
    hasher.write_u32(std::process::id());
    format!("{:016x}", hasher.finish()).into()
}
