//! Builds the sink of page and API.

use std::fs;
use std::path::PathBuf;

use tokio::runtime::Handle;

use super::build_status::log_path;
use super::clips;
use super::error::EngineError;
use super::sink_context::SinkContext;
use crate::sink::web::{WebParts, WebSink};
use crate::state_dir::StateFolder;

/// Folder of uploads in the state folder.
const UPLOADS: &str = "uploads";

/// Builds the sink, if it is enabled. Without a configured address, the daemon runs without a page
/// where none can be opened.
///
/// # Errors
/// The configured address or a TLS file cannot be used.
pub(super) fn build(context: &SinkContext<'_>, runtime: &Handle) -> Result<Option<WebSink>, EngineError> {
    let SinkContext { config, folder, commands, taps, services, status, .. } = context;
    if !config.web.enabled {
        return Ok(None);
    }
    let names = config.sources.iter().map(|entry| entry.source.name.as_str().into());
    let uploads = uploads(*folder);
    // A killed daemon may have left some.
    let _ = fs::remove_dir_all(&uploads);
    let parts = WebParts {
        config: config.web.clone(),
        node: folder.map_or(config.node.as_str(), StateFolder::node).into(),
        taps: names.zip(taps.iter().cloned()).collect(),
        commands: (*commands).clone(),
        services: services.web.clone(),
        status: (*status).clone(),
        log: log_path(config, *folder),
        clips: clips::folders(config, *folder),
        uploads,
    };
    match runtime.block_on(WebSink::open(parts)) {
        Ok(sink) => {
            tracing::info!("the page is {}", sink.url());
            Ok(Some(sink))
        }
        Err(error) if config.web.bind_is_fixed || config.web.tls.is_some() => {
            Err(EngineError::Sink(error.to_string()))
        }
        Err(error) => {
            tracing::warn!("{error}; the daemon runs without a page");
            Ok(None)
        }
    }
}

/// Folder of uploads: in the state folder, else among temporary files.
fn uploads(folder: Option<&StateFolder>) -> PathBuf {
    match folder {
        Some(folder) => folder.path().join(UPLOADS),
        None => std::env::temp_dir().join(format!("genred-uploads-{}", std::process::id())),
    }
}
