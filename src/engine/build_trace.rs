//! Builds the sink of the trace socket, for `genred why` and `genred label`.

use super::sink_context::SinkContext;
use crate::sink::trace::{SocketError, TraceSink, TraceSocket};
use crate::state_dir::StateFolder;
use tokio::runtime::Handle;

/// Largest number in the name of a node.
const MAX_NUMBERED_NODES: usize = 99;

/// Opens the socket and builds the sink. The daemon runs without it if the socket cannot be opened.
/// A node name that is not configured is numbered where another daemon has it.
pub(super) fn build(context: &SinkContext<'_>, runtime: &Handle) -> Option<TraceSink> {
    let SinkContext { config, folder, run, commands, .. } = context;
    let node = folder.map_or(config.node.as_str(), StateFolder::node);
    let numbers = if config.node_is_fixed { 1 } else { MAX_NUMBERED_NODES };
    for number in 1..=numbers {
        let name = if number == 1 { node.to_owned() } else { format!("{node}-{number}") };
        match runtime.block_on(TraceSocket::open(&config.runtime_dir, &name)) {
            Ok(socket) => {
                let names = config.sources.iter().map(|entry| {
                    (entry.source.name.as_str().into(), entry.source.display_name.as_str().into())
                });
                let sink = TraceSink::new(socket, (*run).clone(), name.into(), names.collect());
                return Some(sink.with_commands((*commands).clone()));
            }
            Err(SocketError::Taken { .. }) if number < numbers => {}
            Err(error) => {
                tracing::warn!("`genred why` cannot reach this daemon: {error}");
                break;
            }
        }
    }
    None
}
