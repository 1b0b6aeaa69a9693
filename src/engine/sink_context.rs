//! Values that sinks are built from, and the MQTT sink as it is built.

use std::collections::HashMap;
use std::sync::Arc;

use crossbeam_channel::Sender;

use super::services::Services;
use crate::command::CommandRequest;
use crate::config::Config;
use crate::sink::{FatalHandle, Sink};
use crate::state_dir::StateFolder;
use crate::status::DaemonStatus;
use crate::tap::SourceTap;
use crate::thread::Stop;

/// Values that sinks are built from.
pub(super) struct SinkContext<'a> {
    pub(crate) config: &'a Config,
    pub(crate) folder: Option<&'a StateFolder>,
    /// Random id of this process run.
    pub(crate) run: &'a Arc<str>,
    pub(crate) stop: &'a Stop,
    pub(crate) fatal: &'a FatalHandle,
    /// Channel to the director.
    pub(crate) commands: &'a Sender<CommandRequest>,
    /// Taps of the sources, in the order of the configuration.
    #[cfg_attr(not(feature = "web"), allow(dead_code, reason = "used by the page"))]
    pub(crate) taps: &'a [Arc<SourceTap>],
    /// Services of other layers.
    #[cfg_attr(not(feature = "web"), allow(dead_code, reason = "used by the page"))]
    pub(crate) services: &'a Services,
    /// Present status of the daemon.
    pub(crate) status: &'a Arc<DaemonStatus>,
}

/// State that an earlier run left behind.
#[derive(Debug, Default)]
pub(super) struct RecoveredState {
    /// Sequence number of the last event of each source.
    pub(crate) seqs: HashMap<Arc<str>, u64>,
    /// True if an unknown number of events may have been lost.
    pub(crate) damaged: bool,
}

/// The MQTT sink, if there is one.
#[derive(Default)]
pub(super) struct Publisher {
    pub(crate) sink: Option<Box<dyn Sink>>,
    pub(crate) recovered: RecoveredState,
    /// True if subscribers may send commands.
    pub(crate) control: bool,
}
