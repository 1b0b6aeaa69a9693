//! Access: tokens, foreign pages, and host names that an attacker has pointed at this machine.

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use axum::http::{HeaderMap, Method};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use url::Url;

use super::config::WebAuth;
use super::error::{ApiError, ErrorCode};
use super::state::ServerState;
use super::token::Token;

/// Cookie that carries the token of a browser.
pub(crate) const COOKIE_NAME: &str = "genred_token";

/// Checks the origin of every request.
pub(crate) async fn check_origin(State(state): State<ServerState>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let public = state.config.public_url.as_ref();
    if state.config.auth == WebAuth::None && !is_own_host(headers, public) {
        let message = "the page is served under `localhost` and its IP address alone; name others with \
                       `web.public_url`";
        return ApiError::new(ErrorCode::ForeignOrigin, message).into_response();
    }
    if *request.method() != Method::GET && *request.method() != Method::HEAD && is_foreign(headers, public) {
        let message = "requests from pages of other sites are refused";
        return ApiError::new(ErrorCode::ForeignOrigin, message).into_response();
    }
    next.run(request).await
}

/// Checks the token, where one is configured.
pub(crate) async fn check_token(State(state): State<ServerState>, request: Request, next: Next) -> Response {
    match is_authorized(request.headers(), state.config.token.as_ref()) {
        true => next.run(request).await,
        false => unauthorized().into_response(),
    }
}

/// Error of a request without the right token.
pub(crate) fn unauthorized() -> ApiError {
    let message = "a token is needed: `Authorization: Bearer TOKEN`, or log in on the page";
    ApiError::new(ErrorCode::Unauthorized, message)
}

/// Returns true if the request carries `token`, or none is configured.
pub(crate) fn is_authorized(headers: &HeaderMap, token: Option<&Token>) -> bool {
    let Some(token) = token else { return true };
    let text = |value: &axum::http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let bearer = headers.get(AUTHORIZATION).and_then(text).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    });
    let cookies = headers.get_all(COOKIE).iter().filter_map(text).collect::<Vec<_>>().join("; ");
    let cookie = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
    let cookie = cookie.filter(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value.to_owned());
    bearer.into_iter().chain(cookie).any(|text| token.matches(&text))
}

/// Returns true if the request names this machine as one that only local programs reach: by IP
/// address or as `localhost`. A page of another site whose name resolves to this machine does not.
fn is_own_host(headers: &HeaderMap, public: Option<&Url>) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else { return false };
    let Ok(url) = Url::parse(&format!("http://{host}/")) else { return false };
    match url.host() {
        Some(url::Host::Ipv4(_) | url::Host::Ipv6(_)) => true,
        Some(url::Host::Domain(name)) => {
            name == "localhost"
                || name.ends_with(".localhost")
                || public.and_then(Url::host_str).is_some_and(|public| public.eq_ignore_ascii_case(name))
        }
        None => false,
    }
}

/// Returns true if a browser sends the request on behalf of a page of another origin.
fn is_foreign(headers: &HeaderMap, public: Option<&Url>) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return false,
        Some(_) => return true,
        None => {}
    }
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let Ok(origin) = origin.to_str() else { return true };
    if public.is_some_and(|public| public.origin().ascii_serialization() == origin) {
        return false;
    }
    let host = text("x-forwarded-host").or_else(|| text(HOST.as_str())).unwrap_or_default();
    origin.split_once("://").is_none_or(|(_, authority)| !authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn tokens_come_as_bearer_or_cookie() {
        let token = Token::of("correct-horse-battery");
        let authorized = |pairs: &[(&'static str, &str)]| is_authorized(&headers(pairs), Some(&token));
        assert!(is_authorized(&HeaderMap::new(), None));
        assert!(!authorized(&[]));
        assert!(authorized(&[("authorization", "Bearer correct-horse-battery")]));
        assert!(authorized(&[("authorization", "bearer correct-horse-battery")]));
        assert!(authorized(&[("cookie", "theme=dark; genred_token=correct-horse-battery")]));
        assert!(!authorized(&[("authorization", "Bearer correct-horse")]));
        assert!(!authorized(&[("authorization", "Basic correct-horse-battery")]));
        assert!(!authorized(&[("cookie", "genred_token=; other=correct-horse-battery")]));
    }

    #[test]
    fn a_foreign_name_is_not_this_machine() {
        let own = |host: &str, public: Option<&str>| {
            is_own_host(&headers(&[("host", host)]), public.map(|url| url.parse().unwrap()).as_ref())
        };
        for host in ["localhost:8480", "127.0.0.1:8480", "[::1]:8480", "192.168.1.5", "localhost"] {
            assert!(own(host, None), "{host}");
        }
        for host in ["evil.example", "evil.example:8480", "localhost.evil.example", "", "a b"] {
            assert!(!own(host, None), "{host}");
        }
        assert!(own("radio.example", Some("https://radio.example/genred")));
        assert!(!is_own_host(&HeaderMap::new(), None));
    }

    #[test]
    fn pages_of_other_sites_are_foreign() {
        let foreign = |pairs: &[(&'static str, &str)]| is_foreign(&headers(pairs), None);
        let host = ("host", "127.0.0.1:8480");
        assert!(!foreign(&[host]));
        assert!(!foreign(&[host, ("origin", "http://127.0.0.1:8480")]));
        assert!(foreign(&[host, ("origin", "http://evil.example")]));
        assert!(foreign(&[host, ("origin", "http://127.0.0.1:9999")]));
        assert!(foreign(&[host, ("origin", "null")]));
        assert!(foreign(&[host, ("sec-fetch-site", "cross-site")]));
        assert!(foreign(&[host, ("sec-fetch-site", "same-site")]));
        assert!(!foreign(&[host, ("sec-fetch-site", "same-origin"), ("origin", "http://other.example")]));
        let public: Url = "https://radio.example/genred".parse().unwrap();
        assert!(!is_foreign(&headers(&[host, ("origin", "https://radio.example")]), Some(&public)));
    }
}
