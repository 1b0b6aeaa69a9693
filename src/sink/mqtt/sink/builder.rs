//! Options of the sink.

use std::sync::Arc;

use crossbeam_channel::Sender;

use super::MqttSink;
use crate::command::CommandRequest;
use crate::counters::MqttCounters;
use crate::sink::FatalHandle;
use crate::sink::database::StoreError;
use crate::sink::mqtt::persistence::OutboxPersistence;
use crate::sink::mqtt::store::{OutboxStore, RecoveredOutbox};
use crate::thread::Stop;

impl MqttSink {
    /// Drains the queues at the end, connecting included, unless `stop` is set by then. By default
    /// a stop is quick.
    #[must_use]
    pub fn with_drain_on(mut self, stop: Stop) -> Self {
        self.drain_on = Some(stop);
        self
    }

    /// Stores events in `store`, which held `recovered` at the start.
    #[must_use]
    pub fn with_outbox(mut self, store: OutboxStore, recovered: Result<RecoveredOutbox, StoreError>) -> Self {
        self.persistence = OutboxPersistence::new(store, recovered, self.lifecycle.outbox());
        self
    }

    /// Sets the id of this installation. Its earlier runs do not conflict with this one.
    #[must_use]
    pub fn with_instance_id(mut self, instance: Arc<str>) -> Self {
        self.lifecycle.name_mut().set_instance(instance);
        self
    }

    /// Sets the address below which clips are served, for links in events. By default links are
    /// relative.
    #[must_use]
    pub fn with_clip_base(mut self, base: Arc<str>) -> Self {
        self.lifecycle.outbox().set_clip_base(base);
        self
    }

    /// Publishes as `<node>-2`, `<node>-3` … if another daemon uses the name. By default the name
    /// is fixed.
    #[must_use]
    pub fn allow_rename(mut self) -> Self {
        self.lifecycle.name_mut().allow_alternatives();
        self
    }

    /// Ends the daemon through `handle` if another daemon uses its fixed name.
    #[must_use]
    pub fn with_fatal_handle(mut self, handle: FatalHandle) -> Self {
        self.fatal_handle = Some(handle);
        self
    }

    /// Counts in `counters`.
    #[must_use]
    pub(crate) fn with_counters(mut self, counters: Arc<MqttCounters>) -> Self {
        self.counters = counters;
        self
    }

    /// Forwards commands of subscribers to `commands`.
    #[must_use]
    pub fn with_commands(mut self, commands: Sender<CommandRequest>) -> Self {
        self.lifecycle.accept_commands();
        self.commands = Some(commands);
        self
    }
}
