//! Parts that all routes share.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tokio::sync::{Semaphore, watch};

use super::config::WebConfig;
use super::error::{ApiError, ErrorCode};
use super::hub::Hub;
use super::requests::CommandGateway;
use super::services::WebServices;
use crate::status::DaemonStatus;

/// Uploads and streams that are received at the same time.
pub(crate) const MAX_CLASSIFICATIONS: usize = 16;

/// Clients of `GET /events` at the same time.
pub(crate) const MAX_EVENT_CLIENTS: usize = 256;

/// Parts that all routes share.
#[derive(Clone)]
pub(crate) struct ServerState(Arc<ServerParts>);

/// Content of [`ServerState`].
pub(crate) struct ServerParts {
    /// Latest states and events.
    pub(crate) hub: Arc<Hub>,
    /// Settings of the server.
    pub(crate) config: WebConfig,
    /// Name of the daemon in topics.
    pub(crate) node: Arc<str>,
    /// Way to the director.
    pub(crate) commands: CommandGateway,
    /// Services of other layers.
    pub(crate) services: WebServices,
    /// Present status of the daemon.
    pub(crate) status: Arc<DaemonStatus>,
    /// Path of the as-run log; `None` where it is off.
    pub(crate) log: Option<PathBuf>,
    /// Folder of the clips of each source, in the order of the configuration; `None` without clips.
    pub(crate) clips: Vec<Option<PathBuf>>,
    /// Folder for uploads while they are classified.
    pub(crate) uploads: PathBuf,
    /// Limits [`MAX_CLASSIFICATIONS`].
    pub(crate) classifications: Arc<Semaphore>,
    /// Limits [`MAX_EVENT_CLIENTS`].
    pub(crate) event_clients: Arc<Semaphore>,
    /// True once the server shuts down.
    pub(crate) closing: watch::Receiver<bool>,
}

impl ServerState {
    /// Shares `parts`.
    pub(crate) fn new(parts: ServerParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Index of the source with this name.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn source(&self, name: &str) -> Result<usize, ApiError> {
        self.hub.index_of(name).ok_or_else(|| ApiError::no_source(name))
    }

    /// Checks that clients may control the daemon.
    ///
    /// # Errors
    /// `web.control` is off.
    pub(crate) fn check_control(&self) -> Result<(), ApiError> {
        match self.config.control {
            true => Ok(()),
            false => {
                Err(ApiError::new(ErrorCode::ControlDisabled, "`web.control` is off in the configuration"))
            }
        }
    }
}

impl std::ops::Deref for ServerState {
    type Target = ServerParts;

    fn deref(&self) -> &ServerParts {
        &self.0
    }
}

/// Response with a JSON body.
pub(crate) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => (StatusCode::OK, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(error) => internal(&error).into_response(),
    }
}

/// Error of the daemon itself. It is logged, since the client cannot do anything about it.
pub(crate) fn internal(error: &dyn std::fmt::Display) -> ApiError {
    tracing::warn!("a request to the page failed: {error}");
    ApiError::new(ErrorCode::Internal, "the daemon could not answer; its log says why")
}
