//! From the director to every sink, without waiting for any that is live.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::sink::Message;
use crate::sink::trace::Listeners;
use crate::thread::Stop;

/// Messages that a sink may be behind before it loses some. The MQTT sink empties its queue at
/// once, connected or not, and keeps events itself.
pub const QUEUE: usize = 4096;

/// Between two looks at a queue that is full.
const LOOK: Duration = Duration::from_millis(5);

/// One bounded queue a sink.
pub struct Fanout {
    lanes: Vec<Lane>,
    /// Whether a full queue is waited for: where nothing is live, nothing need be lost.
    patient: bool,
    stop: Stop,
    listeners: Option<Listeners>,
}

struct Lane {
    name: &'static str,
    queue: Sender<Message>,
    lost: u64,
}

impl Fanout {
    /// No sinks yet. `patient` where no source is live.
    pub fn new(patient: bool, stop: Stop) -> Self {
        Self { lanes: Vec::new(), patient, stop, listeners: None }
    }

    /// Adds a sink's queue.
    pub fn add(&mut self, name: &'static str, queue: Sender<Message>) {
        self.lanes.push(Lane { name, queue, lost: 0 });
    }

    /// Makes [`is_traced`](Self::is_traced) tell whether any of these is there.
    pub fn listen(&mut self, listeners: Listeners) {
        self.listeners = Some(listeners);
    }

    /// Whether anybody reads traces; else they need not be made.
    pub fn is_traced(&self) -> bool {
        self.listeners.as_ref().is_some_and(Listeners::any)
    }

    /// Hands a copy to every sink; a queue that stays full loses it and says so, a closed one takes no more.
    pub fn send(&mut self, message: Message) {
        for lane in &mut self.lanes {
            let mut result = lane.queue.try_send(message.clone());
            while self.patient && !self.stop.is_set() {
                let Err(TrySendError::Full(kept)) = result else { break };
                self.stop.wait(LOOK);
                result = lane.queue.try_send(kept);
            }
            if let Err(TrySendError::Full(_)) = result {
                lane.lost += 1;
                // Powers of two: said at once, and not a thousand times.
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
