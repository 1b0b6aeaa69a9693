//! Page and API over HTTP.
//!
//! The server is a sink like any other: it keeps the latest state of each source and the newest
//! events in a [`hub`], and serves any number of clients from it. [`routes`] are the API,
//! [`events`] its server-sent events, [`assets`] the page. [`services`] are implemented on higher
//! layers.

mod assets;
mod auth;
mod base_path;
mod config;
mod error;
mod events;
mod extract;
mod health;
mod history;
mod hub;
mod metrics;
mod payload;
mod requests;
mod routes;
mod server;
pub(crate) mod services;
mod state;
#[cfg(test)]
mod tests;
mod token;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;

use axum_server::Handle;
use axum_server::tls_rustls::RustlsConfig;
use crossbeam_channel::Sender;
use tokio::sync::{Semaphore, mpsc, watch};

use super::{Message, Sink, SinkFuture};
use crate::command::{CommandOrigin, CommandRequest};
use crate::status::DaemonStatus;
use crate::tap::SourceTap;
pub(crate) use config::{RawWebConfig, WebConfig};
use hub::Hub;
use requests::CommandGateway;
use services::WebServices;
use state::{MAX_CLASSIFICATIONS, MAX_EVENT_CLIENTS, ServerParts, ServerState};

/// Parts of the daemon that the server is built from.
pub(crate) struct WebParts {
    /// Settings.
    pub(crate) config: WebConfig,
    /// Name of the daemon in topics.
    pub(crate) node: Arc<str>,
    /// Name of each source, as in topics, with its tap.
    pub(crate) taps: Vec<(Arc<str>, Arc<SourceTap>)>,
    /// Way to the director.
    pub(crate) commands: Sender<CommandRequest>,
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
}

/// Error of opening the server. Its message names the key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WebOpenError {
    /// The address cannot be used.
    #[error("`web.bind` is {address}, which cannot be used ({error}); choose another port")]
    Address {
        /// The address.
        address: SocketAddr,
        /// Error of the system.
        error: std::io::Error,
    },
    /// Certificate or key cannot be used.
    #[error("`web.tls_cert` and `web.tls_key` cannot be used: {0}")]
    Tls(std::io::Error),
}

/// Sink that serves page and API.
pub(crate) struct WebSink {
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    state: ServerState,
    closing: watch::Sender<bool>,
}

impl WebSink {
    /// Opens the socket.
    ///
    /// # Errors
    /// The address or the TLS files cannot be used.
    pub(crate) async fn open(parts: WebParts) -> Result<Self, WebOpenError> {
        let WebParts { config, node, taps, commands, services, status, log, clips, uploads } = parts;
        let listener =
            server::bind(&config).map_err(|error| WebOpenError::Address { address: config.bind, error })?;
        let tls = server::tls(&config).await.map_err(WebOpenError::Tls)?;
        let (closing, is_closing) = watch::channel(false);
        let state = ServerState::new(ServerParts {
            hub: Arc::new(Hub::new(taps)),
            commands: CommandGateway::new(commands),
            classifications: Arc::new(Semaphore::new(MAX_CLASSIFICATIONS)),
            event_clients: Arc::new(Semaphore::new(MAX_EVENT_CLIENTS)),
            closing: is_closing,
            config,
            node,
            services,
            status,
            clips,
            log,
            uploads,
        });
        Ok(Self { listener, tls, state, closing })
    }

    /// Address of the page, for people.
    pub(crate) fn url(&self) -> String {
        let config = &self.state.config;
        if let Some(url) = &config.public_url {
            return url.to_string();
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let address = self.listener.local_addr().unwrap_or(config.bind);
        format!("{scheme}://{address}{}/", config.base_path)
    }

    async fn serve(self, mut inbox: mpsc::Receiver<Message>) {
        let Self { listener, tls, state, closing } = self;
        let handle = Handle::<SocketAddr>::new();
        let mut server = tokio::spawn(server::serve(listener, tls, handle.clone(), state.clone()));
        while let Some(message) = inbox.recv().await {
            if let Message::Answer { origin: CommandOrigin::Request(id), answer, .. } = &message {
                state.commands.answer(*id, answer);
            }
            state.hub.take(&message);
        }
        closing.send_replace(true);
        server::shut_down(&handle);
        match (&mut server).await {
            Ok(Err(error)) => tracing::warn!(%error, "the page ended with an error"),
            Err(error) => tracing::warn!(%error, "the page ended with an error"),
            Ok(Ok(())) => {}
        }
    }
}

impl Sink for WebSink {
    fn name(&self) -> &'static str {
        "web"
    }

    fn run(self: Box<Self>, inbox: mpsc::Receiver<Message>) -> SinkFuture {
        Box::pin(self.serve(inbox))
    }
}
