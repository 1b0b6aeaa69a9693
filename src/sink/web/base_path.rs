//! Path prefix of the page: a reverse proxy may serve it below a path of its own.

use axum::http::HeaderMap;

/// Headers in which a proxy names the prefix: Home Assistant's ingress, and the common one.
const PREFIX_HEADERS: [&str; 2] = ["x-ingress-path", "x-forwarded-prefix"];

/// Longest prefix.
const MAX_LENGTH: usize = 256;

/// Prefix of a request: empty, or with a slash at the start and none at the end. A header wins over
/// `configured`; a header that is not a plain path is ignored.
pub(crate) fn of(headers: &HeaderMap, configured: &str) -> String {
    let named = PREFIX_HEADERS.iter().find_map(|name| headers.get(*name)?.to_str().ok());
    match named.map(|path| path.trim().trim_matches('/')) {
        Some("") => String::new(),
        Some(path) if is_valid(path) => format!("/{path}"),
        _ => configured.to_owned(),
    }
}

/// Returns true for a path of plain segments, without slashes around it. Nothing else may enter the
/// page.
pub(crate) fn is_valid(path: &str) -> bool {
    let is_plain = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte))
    };
    path.len() <= MAX_LENGTH && path.split('/').all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_names_the_prefix() {
        let prefix = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            of(&headers, "/configured")
        };
        assert_eq!(of(&HeaderMap::new(), "/configured"), "/configured");
        assert_eq!(prefix("x-ingress-path", "/api/hassio_ingress/Ab_c-9"), "/api/hassio_ingress/Ab_c-9");
        assert_eq!(prefix("x-forwarded-prefix", "genred/"), "/genred");
        assert_eq!(prefix("x-forwarded-prefix", "/"), "");
        for hostile in ["/\"><script>", "/a/../b", "https://evil.example", "/a?b"] {
            assert_eq!(prefix("x-forwarded-prefix", hostile), "/configured", "{hostile}");
        }
    }
}
