//! State of one connection, and the steps of its orderly end.

use std::time::Duration;

use tokio::time::Instant;

use super::audit::Audit;
use super::listen::Listener;
use super::wire::Client;

/// Time that waiting events have at a stop.
const FLUSH: Duration = Duration::from_millis(450);

/// Time that a stop takes in total.
pub const GOOD_BYE: Duration = Duration::from_millis(800);

/// State of one connection.
pub struct Line {
    /// Takes requests.
    pub client: Client,
    /// Reads what comes in.
    pub listener: Listener,
    /// Once the end has begun.
    pub good_bye: Option<GoodBye>,
    /// The broker lets our own `info` come back.
    pub hears_itself: bool,
    /// The look at what the broker has, and when it ends.
    pub audit: Option<(Audit, Instant)>,
    /// Time of the next attempt with refused events.
    pub retry_at: Option<Instant>,
    /// By when our own `info` should have come back.
    pub echo_by: Option<Instant>,
    /// Time at which Home Assistant's start is answered.
    pub birth_at: Option<Instant>,
}

impl Line {
    /// A new connection.
    pub fn new(client: Client, listener: Listener) -> Self {
        Self {
            client,
            listener,
            good_bye: None,
            hears_itself: false,
            audit: None,
            retry_at: None,
            echo_by: None,
            birth_at: None,
        }
    }

    /// Earliest of these times.
    pub fn soon(&self) -> Option<Instant> {
        let audit = self.audit.as_ref().map(|(_, until)| *until);
        self.echo_by.into_iter().chain(self.birth_at).chain(self.retry_at).chain(audit).min()
    }
}

/// The steps of a clean stop. `until` is when all of it has to be over.
pub enum GoodBye {
    /// Waiting messages are published.
    Flushing { until: Instant },
    /// The sources and the node are said to be offline, then the client disconnects.
    Leaving { until: Instant },
}

impl GoodBye {
    /// The first step. `linger` is how long all may take, if it is no quick end.
    pub fn begin(linger: Option<Duration>) -> Self {
        Self::Flushing { until: Instant::now() + linger.unwrap_or(GOOD_BYE) }
    }

    /// End of this step.
    pub fn deadline(&self) -> Instant {
        match self {
            Self::Flushing { until } => *until - (GOOD_BYE - FLUSH),
            Self::Leaving { until } => *until,
        }
    }
}
