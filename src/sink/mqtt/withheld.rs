//! Messages that the broker does not take, and that are therefore not sent again. Pure.
//!
//! MQTT 5 says so in a reason code. In MQTT 3.1.1 a broker drops the message without a word, or
//! closes the connection. Which message it was shows once only one is sent at a time: the one that
//! was out when the connection was closed, twice in a row.

use std::collections::{HashMap, HashSet};

use super::reason::Reason;

/// A message by its topic, with the size of its payload in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sized {
    /// Topic.
    pub topic: String,
    /// Bytes.
    pub bytes: usize,
}

/// A message that the broker refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The message.
    pub message: Sized,
    /// Reason code; `None` if the broker closed the connection.
    pub reason: Option<Reason>,
    /// It is not sent again.
    pub withheld: bool,
}

/// End of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The broker closed it.
    Closed,
    /// The broker refused the oldest message that it had not answered.
    Refused(Reason),
    /// Something else.
    Other,
}

/// Knowledge of refused messages.
#[derive(Debug, Default)]
pub struct Withheld {
    topics: HashSet<String>,
    /// Refused with a reason code, and sent again all the same: rights may be given later.
    known: HashSet<String>,
    /// By first level of the topic: rights differ by it.
    sizes: HashMap<String, Sizes>,
    /// The message that was out alone when the last connection was closed.
    suspect: Option<Sized>,
}

#[derive(Debug)]
struct Sizes {
    largest_taken: usize,
    /// Smallest that was refused and larger than any that was taken.
    too_large: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { largest_taken: 0, too_large: usize::MAX }
    }
}

impl Withheld {
    /// Returns true if this message must not be sent.
    pub fn holds(&self, topic: &str, bytes: usize) -> bool {
        if self.topics.contains(topic) {
            return true;
        }
        self.sizes.get(root(topic)).is_some_and(|sizes| bytes >= sizes.too_large)
    }

    /// The broker refused a message on this topic for a reason that may pass.
    pub fn known(&mut self, topic: &str) {
        self.known.insert(topic.to_owned());
    }

    /// Returns true if the broker refused this topic for a reason that may pass.
    pub fn is_known(&self, topic: &str) -> bool {
        self.known.contains(topic)
    }

    /// The broker took a message.
    pub fn taken(&mut self, topic: &str, bytes: usize) {
        if self.suspect.as_ref().is_some_and(|suspect| suspect.topic == topic) {
            self.suspect = None;
        }
        self.known.remove(topic);
        let sizes = self.sizes.entry(root(topic).to_owned()).or_default();
        sizes.largest_taken = sizes.largest_taken.max(bytes);
        if bytes >= sizes.too_large {
            sizes.too_large = usize::MAX;
        }
    }

    /// The broker refused a message. False where that was known.
    pub fn refused(&mut self, message: &Sized) -> bool {
        let Sized { topic, bytes } = message;
        let sizes = self.sizes.entry(root(topic).to_owned()).or_default();
        if *bytes > sizes.largest_taken {
            sizes.too_large = sizes.too_large.min(*bytes);
        }
        self.suspect = None;
        self.topics.insert(topic.clone())
    }

    /// The broker closed the connection while this message alone was out. True where it did so the last time as well;
    /// then it is withheld from now on if it is `dispensable`.
    pub fn closed_on(&mut self, message: Sized, dispensable: bool) -> bool {
        let again = self.suspect.as_ref().is_some_and(|suspect| suspect.topic == message.topic);
        if again && dispensable {
            self.refused(&message);
        }
        self.suspect = (!(again && dispensable)).then_some(message);
        again
    }

    /// The connection ended for another reason.
    pub fn acquit(&mut self) {
        self.suspect = None;
    }
}

/// The first level of a topic.
fn root(topic: &str) -> &str {
    topic.split('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str, bytes: usize) -> Sized {
        Sized { topic: topic.to_owned(), bytes }
    }

    #[test]
    fn twice_in_a_row_is_enough_and_once_is_not() {
        let mut withheld = Withheld::default();
        let large = || message("homeassistant/device/a/config", 3400);
        assert!(!withheld.closed_on(large(), true));
        withheld.acquit();
        assert!(!withheld.closed_on(large(), true));
        assert!(!withheld.closed_on(message("genred/den/info", 700), true));
        assert!(!withheld.closed_on(large(), true));
        assert!(!withheld.holds("homeassistant/device/a/config", 3400));
        assert!(withheld.closed_on(large(), true));
        assert!(withheld.holds("homeassistant/device/a/config", 1));
        // Others of that size are not tried.
        assert!(withheld.holds("homeassistant/device/b/config", 3400));
        assert!(!withheld.holds("homeassistant/device/b/config", 3399));
        assert!(!withheld.holds("genred/den/info", 3400));
    }

    #[test]
    fn a_size_that_is_taken_elsewhere_is_no_reason() {
        let mut withheld = Withheld::default();
        withheld.taken("genred/den/info", 900);
        assert!(withheld.refused(&message("genred/den/a/attributes", 600)));
        assert!(!withheld.refused(&message("genred/den/a/attributes", 600)));
        assert!(withheld.holds("genred/den/a/attributes", 10));
        assert!(!withheld.holds("genred/den/b/attributes", 600));
        // A larger one may be.
        assert!(withheld.refused(&message("genred/den/c/attributes", 1200)));
        assert!(withheld.holds("genred/den/d/attributes", 1200));
        withheld.taken("genred/den/info", 1300);
        assert!(!withheld.holds("genred/den/d/attributes", 1200));
    }

    #[test]
    fn a_message_that_is_taken_after_all_is_no_suspect() {
        let mut withheld = Withheld::default();
        assert!(!withheld.closed_on(message("genred/den/info", 10), true));
        withheld.taken("genred/den/info", 10);
        assert!(!withheld.closed_on(message("genred/den/info", 10), true));
    }
}
