//! Text of a request.

use base64::prelude::{BASE64_STANDARD, Engine};
use percent_encoding::percent_decode_str;
use url::Url;

/// Maximum length of a followed address, in bytes.
pub(in crate::source) const MAX_ADDRESS: usize = 4096;

/// Default `User-Agent`.
pub(in crate::source) const AGENT: &str = concat!("genred/", env!("CARGO_PKG_VERSION"));

/// Request fields that a playlist or an address may set. Values are safe to put into a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::source) struct RequestFields {
    /// `User-Agent`
    pub(in crate::source) user_agent: Option<String>,
    /// `Referer`
    pub(in crate::source) referrer: Option<String>,
}

impl RequestFields {
    /// Fills unset fields from `others`.
    pub(in crate::source) fn or(self, others: &Self) -> Self {
        Self {
            user_agent: self.user_agent.or_else(|| others.user_agent.clone()),
            referrer: self.referrer.or_else(|| others.referrer.clone()),
        }
    }
}

/// Request for `url`, or for a `range` (first byte, length) of it, directly or through `proxy`.
pub(in crate::source) fn request(
    url: &Url,
    fields: &RequestFields,
    range: Option<(u64, u64)>,
    proxy: Option<&Url>,
) -> String {
    let agent = fields.user_agent.as_deref().unwrap_or(AGENT);
    let referrer = fields.referrer.as_ref().map_or(String::new(), |value| format!("Referer: {value}\r\n"));
    let range = range.map_or(String::new(), |(start, length)| {
        format!("Range: bytes={start}-{}\r\n", start.saturating_add(length.saturating_sub(1)))
    });
    let mut path = url[url::Position::BeforePath..url::Position::AfterQuery].to_owned();
    let mut authorization = basic("Authorization", url);
    if let Some(proxy) = proxy.filter(|_| url.scheme() == "http") {
        path.insert_str(0, &format!("http://{}", authority(url)));
        authorization.push_str(&basic("Proxy-Authorization", proxy));
    }
    format!(
        "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {agent}\r\nAccept: */*\r\nAccept-Encoding: identity\r\n\
         Icy-MetaData: 1\r\n{referrer}{range}{authorization}Connection: close\r\n\r\n",
        authority(url)
    )
}

/// Host, and port unless it is the default.
fn authority(url: &Url) -> &str {
    &url[url::Position::BeforeHost..url::Position::AfterPort]
}

/// Header field with user and password of `url`; empty without them.
pub(in crate::source) fn basic(field: &str, url: &Url) -> String {
    if url.username().is_empty() && url.password().is_none() {
        return String::new();
    }
    let mut secret: Vec<u8> = percent_decode_str(url.username()).collect();
    secret.push(b':');
    secret.extend(percent_decode_str(url.password().unwrap_or_default()));
    format!("{field}: Basic {}\r\n", BASE64_STANDARD.encode(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_carry_the_secret_and_nothing_else_does() {
        let url = Url::parse("http://me:h%40nter@h:8000/a?b=c#d").unwrap();
        let sent = request(&url, &RequestFields::default(), None, None);
        assert!(!sent.contains("Range"), "{sent}");
        assert!(sent.starts_with("GET /a?b=c HTTP/1.1\r\nHost: h:8000\r\nUser-Agent: genred/"), "{sent}");
        assert!(sent.contains("\r\nAuthorization: Basic bWU6aEBudGVy\r\n"), "{sent}");
        let proxy = Url::parse("http://p:q@proxy:3128").unwrap();
        let fields =
            RequestFields { user_agent: Some("Player/1".into()), referrer: Some("http://r/".into()) };
        let sent = request(&url, &fields, Some((100, 50)), Some(&proxy));
        assert!(sent.contains("\r\nUser-Agent: Player/1\r\n") && !sent.contains("genred"), "{sent}");
        assert!(sent.contains("\r\nReferer: http://r/\r\n"), "{sent}");
        assert!(sent.contains("\r\nRange: bytes=100-149\r\n"), "{sent}");
        assert!(sent.starts_with("GET http://h:8000/a?b=c HTTP/1.1\r\n"), "{sent}");
        assert!(sent.contains("\r\nProxy-Authorization: Basic cDpx\r\n"), "{sent}");
    }
}
