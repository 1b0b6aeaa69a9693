//! Check that the broker has what it took. MQTT 3.1.1 lets it drop a message without a word, so the
//! first time that everything is published, the retained messages are subscribed to. Pure.

use super::withheld::Sized;

/// One such check.
#[derive(Debug)]
pub struct Audit {
    /// In the order of the subscriptions.
    messages: Vec<Sized>,
    there: Vec<bool>,
    refused: Vec<bool>,
    /// The broker has answered the subscriptions.
    pub subscribed: bool,
}

impl Audit {
    /// Of these messages.
    pub fn new(messages: Vec<Sized>) -> Self {
        let none = vec![false; messages.len()];
        Self { there: none.clone(), refused: none, messages, subscribed: false }
    }

    /// Topics to subscribe to.
    pub fn topics(&self) -> impl Iterator<Item = &String> {
        self.messages.iter().map(|message| &message.topic)
    }

    /// The broker has answered the subscriptions, in their order: true for each that it refused, of which nothing can
    /// be said.
    pub fn answered(&mut self, refused: impl IntoIterator<Item = bool>) {
        self.subscribed = true;
        for (place, refused) in self.refused.iter_mut().zip(refused) {
            *place = refused;
        }
    }

    /// A message on `topic` has come in.
    pub fn saw(&mut self, topic: &str) {
        if let Some(at) = self.messages.iter().position(|message| message.topic == topic) {
            self.there[at] = true;
        }
    }

    /// Returns true once nothing is missing.
    pub fn is_over(&self) -> bool {
        self.subscribed && self.missing().next().is_none()
    }

    fn missing(&self) -> impl Iterator<Item = &Sized> {
        let states = self.there.iter().zip(&self.refused);
        self.messages
            .iter()
            .zip(states)
            .filter(|(_, (there, refused))| !**there && !**refused)
            .map(|(m, _)| m)
    }

    /// Messages that the broker has, and those that it lacks.
    pub fn verdict(&self) -> (Vec<Sized>, Vec<Sized>) {
        let there = self.messages.iter().zip(&self.there).filter(|(_, there)| **there);
        (there.map(|(message, _)| message.clone()).collect(), self.missing().cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_in_is_missing() {
        let message = |topic: &str| Sized { topic: topic.to_owned(), bytes: 1 };
        let mut audit = Audit::new(vec![message("a"), message("b"), message("c"), message("d")]);
        assert!(audit.topics().eq(["a", "b", "c", "d"].iter()));
        // Some brokers send retained messages before the SUBACK.
        audit.saw("a");
        assert!(!audit.is_over());
        audit.answered([false, true, false]);
        audit.saw("nothing of it");
        assert!(!audit.is_over());
        audit.saw("d");
        let (there, missing) = audit.verdict();
        assert_eq!((there.len(), missing), (2, vec![message("c")]));
    }
}
