//! From the director to every sink, without waiting for any.

use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;

use crate::sink::Message;

/// Messages that a sink may be behind before it loses some. The MQTT sink empties its queue at
/// once, connected or not, and keeps events itself.
pub const QUEUE: usize = 4096;

/// One bounded queue a sink.
#[derive(Debug, Default)]
pub struct Fanout(Vec<Lane>);

#[derive(Debug)]
struct Lane {
    name: &'static str,
    queue: Sender<Message>,
    lost: u64,
}

impl Fanout {
    /// Adds a sink's queue.
    pub fn add(&mut self, name: &'static str, queue: Sender<Message>) {
        self.0.push(Lane { name, queue, lost: 0 });
    }

    /// Hands a copy to every sink; a full queue loses it and says so, a closed one takes no more.
    pub fn send(&mut self, message: Message) {
        for lane in &mut self.0 {
            if let Err(TrySendError::Full(_)) = lane.queue.try_send(message.clone()) {
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
