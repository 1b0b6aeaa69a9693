//! HTTP server: sockets, limits and headers around the routes.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::from_fn_with_state;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use hyper_util::rt::TokioTimer;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, NotForContentType, Predicate};
use tower_http::set_header::SetResponseHeaderLayer;

use super::config::WebConfig;
use super::state::{ServerState, internal};
use super::{assets, auth, routes};

/// Time in which the head of a request arrives.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 32 << 10;

/// Time in which open requests end at shutdown.
const CLOSE_TIMEOUT: Duration = Duration::from_millis(300);

/// Resources that the page may load: its own alone.
const CONTENT_POLICY: &str = "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; \
    frame-ancestors 'self'; base-uri 'self'; form-action 'self'; object-src 'none'";

/// Opens the socket. A port that is not configured is replaced by another where it is taken.
///
/// # Errors
/// The address cannot be used.
pub(crate) fn bind(config: &WebConfig) -> io::Result<TcpListener> {
    let listener = match TcpListener::bind(config.bind) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && !config.bind_is_fixed => {
            TcpListener::bind(SocketAddr::new(config.bind.ip(), 0))?
        }
        result => result?,
    };
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Reads certificate and key, if TLS is configured.
///
/// # Errors
/// A file cannot be read, or the two do not fit together.
pub(crate) async fn tls(config: &WebConfig) -> io::Result<Option<RustlsConfig>> {
    let Some((certificate, key)) = config.tls_files() else { return Ok(None) };
    // The process has no default provider: every user of TLS names its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    RustlsConfig::from_pem_file(certificate, key).await.map(Some)
}

/// Serves until `handle` is shut down.
///
/// # Errors
/// The socket breaks.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<RustlsConfig>,
    handle: Handle<SocketAddr>,
    state: ServerState,
) -> io::Result<()> {
    let app = app(state).into_make_service();
    let mut server = axum_server::from_tcp(listener)?.handle(handle).first_request_timeout(HEAD_TIMEOUT);
    server
        .http_builder()
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD);
    match tls {
        None => server.acceptor(NoDelayAcceptor).http1_only().serve(app).await,
        Some(tls) => {
            let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor);
            server.acceptor(acceptor).http1_only().serve(app).await
        }
    }
}

/// Ends the server within [`CLOSE_TIMEOUT`].
pub(crate) fn shut_down(handle: &Handle<SocketAddr>) {
    handle.graceful_shutdown(Some(CLOSE_TIMEOUT));
}

/// All routes, with limits and headers.
pub(crate) fn app(state: ServerState) -> Router {
    let header = |name: HeaderName, value| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let panicked = |_: Box<dyn std::any::Any + Send>| {
        use axum::response::IntoResponse;
        internal(&"a panic, which is a bug").into_response()
    };
    Router::new()
        .merge(routes::router(&state))
        .merge(assets::router())
        .fallback(routes::not_found)
        .method_not_allowed_fallback(routes::method_not_allowed)
        .layer(from_fn_with_state(state.clone(), auth::check_origin))
        .layer(compression())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(header(CONTENT_SECURITY_POLICY, CONTENT_POLICY))
        .layer(header(X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(REFERRER_POLICY, "no-referrer"))
        .with_state(state)
}

/// Compression of responses, except those that arrive line by line: the encoder would hold lines
/// back.
fn compression() -> CompressionLayer<impl Predicate> {
    let is_whole = NotForContentType::const_new("application/x-ndjson");
    CompressionLayer::new().compress_when(DefaultPredicate::new().and(is_whole))
}
