//! Distribution of messages from the director to every sink.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::sink::Message;
use crate::sink::trace::Listeners;
use crate::thread::Stop;

/// Capacity of the queue of a sink, in messages. The MQTT sink empties its queue at once, connected
/// or not, and keeps events itself.
pub(super) const QUEUE_LENGTH: usize = 4096;

/// Interval at which a full queue is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// One bounded queue per sink.
pub(super) struct Fanout {
    lanes: Vec<SinkLane>,
    /// Waits for full queues: without a live source, no message need be lost.
    waits: bool,
    stop: Stop,
    listeners: Option<Listeners>,
}

struct SinkLane {
    name: &'static str,
    queue: Sender<Message>,
    lost: u64,
}

impl Fanout {
    /// Fan-out without sinks. `waits` makes it wait for full queues.
    pub(crate) fn new(waits: bool, stop: Stop) -> Self {
        Self { lanes: Vec::new(), waits, stop, listeners: None }
    }

    /// Adds the queue of a sink.
    pub(crate) fn add(&mut self, name: &'static str, queue: Sender<Message>) {
        self.lanes.push(SinkLane { name, queue, lost: 0 });
    }

    /// Sets the clients of the trace socket, for [`Fanout::has_listeners`].
    pub(crate) fn set_listeners(&mut self, listeners: Listeners) {
        self.listeners = Some(listeners);
    }

    /// Returns true while a client of the trace socket is connected. Without one, explanations need
    /// not be made.
    pub(crate) fn has_listeners(&self) -> bool {
        self.listeners.as_ref().is_some_and(Listeners::any)
    }

    /// Sends a copy to every sink. A queue that stays full loses the message, which is logged.
    pub(crate) fn send(&mut self, message: Message) {
        for lane in &mut self.lanes {
            let mut result = lane.queue.try_send(message.clone());
            while self.waits && !self.stop.is_set() {
                let Err(TrySendError::Full(refused)) = result else { break };
                self.stop.wait(RETRY_INTERVAL);
                result = lane.queue.try_send(refused);
            }
            if let Err(TrySendError::Full(_)) = result {
                lane.lost += 1;
                // Logged at powers of two: at once, and not for every message.
                if lane.lost.is_power_of_two() {
                    tracing::warn!(
                        sink = lane.name,
                        lost = lane.lost,
                        "a sink is too slow and lost messages"
                    );
                }
            }
        }
    }
}
