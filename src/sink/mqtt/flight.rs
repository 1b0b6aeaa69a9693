//! Messages that have been written and not been answered, in the order of writing. Pure.

use std::collections::VecDeque;

use super::withheld::Sized;

/// Such a message.
#[derive(Debug)]
pub struct Flight {
    /// 0 for quality of service 0, which is never answered.
    pub packet_id: u16,
    /// The message.
    pub message: Sized,
    /// The daemon is of use without it.
    pub dispensable: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Flights(VecDeque<Flight>);

impl Flights {
    /// One more was written.
    pub fn push(&mut self, flight: Flight) {
        self.0.push_back(flight);
    }

    /// One was answered. Those of quality of service 0 before it were looked at, too: brokers read in order.
    pub fn answered(&mut self, packet_id: u16) -> Option<Sized> {
        let at = self.0.iter().position(|flight| flight.packet_id == packet_id)?;
        let found = self.0.remove(at);
        let mut before = at;
        self.0.retain(|flight| {
            let looked_at = before > 0 && flight.packet_id == 0;
            before = before.saturating_sub(1);
            !looked_at
        });
        found.map(|flight| flight.message)
    }

    /// Takes the oldest out.
    pub fn oldest(&mut self) -> Option<Flight> {
        self.0.pop_front()
    }

    /// Returns true if all are answered.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_speaks_for_what_was_written_before_it() {
        let mut flights = Flights::default();
        for (packet_id, topic) in [(1, "a"), (0, "b"), (2, "c"), (0, "d"), (3, "e")] {
            let message = Sized { topic: topic.to_owned(), bytes: 1 };
            flights.push(Flight { packet_id, message, dispensable: true });
        }
        assert_eq!(flights.answered(2).unwrap().topic, "c");
        assert_eq!(flights.answered(2), None);
        let mut left = Vec::new();
        while let Some(flight) = flights.oldest() {
            left.push(flight.message.topic);
        }
        assert_eq!(left, ["a", "d", "e"]);
    }
}
