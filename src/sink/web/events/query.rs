//! Parameters of `GET /events`.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::sink::web::error::ApiError;
use crate::sink::web::state::ServerState;

/// Most sources whose frames and explanations one client watches.
const MAX_DETAILED: usize = 4;

/// Parameters of `GET /events`.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// Names of sources, separated by commas; all by default.
    sources: Option<String>,
    /// Of `state`, `event`, `level`, `mel` and `explain`, separated by commas; `state,event` by
    /// default. `mel` and `explain` require at most four named sources.
    topics: Option<String>,
    /// Id of the last received event, as a substitute for the header `Last-Event-ID`.
    pub(super) after: Option<String>,
}

/// Topics of a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Topics {
    pub(super) state: bool,
    pub(super) event: bool,
    pub(super) level: bool,
    pub(super) mel: bool,
    pub(super) explain: bool,
}

/// Subject of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) topics: Topics,
    /// Indices of the sources.
    pub(super) sources: Vec<usize>,
}

impl EventsQuery {
    /// Validates the parameters.
    ///
    /// # Errors
    /// An unknown source or topic, or too many sources for the topics.
    pub(super) fn wanted(&self, state: &ServerState) -> Result<Wanted, ApiError> {
        let topics = Topics::parse(self.topics.as_deref().unwrap_or("state,event"))?;
        let named = names(self.sources.as_deref().unwrap_or_default());
        let mut sources = named.iter().map(|name| state.source(name)).collect::<Result<Vec<_>, _>>()?;
        sources.sort_unstable();
        sources.dedup();
        if (topics.mel || topics.explain) && !(1..=MAX_DETAILED).contains(&sources.len()) {
            return Err(ApiError::invalid(format!(
                "`mel` and `explain` require `sources` with at most {MAX_DETAILED} names"
            )));
        }
        if sources.is_empty() {
            sources = (0..state.hub.len()).collect();
        }
        Ok(Wanted { topics, sources })
    }
}

impl Topics {
    /// Parses a list of topics.
    ///
    /// # Errors
    /// An unknown topic.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        let mut topics = Self::default();
        for name in names(text) {
            *match name {
                "state" => &mut topics.state,
                "event" => &mut topics.event,
                "level" => &mut topics.level,
                "mel" => &mut topics.mel,
                "explain" => &mut topics.explain,
                _ => {
                    return Err(ApiError::invalid(
                        "`topics` are `state`, `event`, `level`, `mel` and `explain`",
                    ));
                }
            } = true;
        }
        Ok(topics)
    }
}

fn names(text: &str) -> Vec<&str> {
    text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect()
}
