//! Network addresses and their redacted form.

use std::fmt;

use super::uri_error::UriError;

/// `http://` or `https://` address. Its `Display` and `Debug` omit user, password and the values of
/// parameters whose names suggest secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(String);

impl Address {
    /// Parses an absolute address.
    ///
    /// # Errors
    /// The text is not such an address. The message repeats no part of it.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let wrong = |what: String| {
            let encode = if text.contains('@') {
                "; in a user name or password, percent-encode `@` (`%40`), `:` (`%3A`), `/` (`%2F`), `?` (`%3F`), `#` (`%23`) and `%` (`%25`)"
            } else {
                ""
            };
            UriError(format!("{what}; write `http://HOST[:PORT]/PATH`{encode}"))
        };
        // An unescaped `#` in a password ends the authority before its `@` (RFC 3986, 3.2).
        // Fragments of stream addresses contain no `@`.
        if text.split_once('#').is_some_and(|(_, fragment)| fragment.contains('@')) {
            return Err(wrong("the address has a login that ends too early".into()));
        }
        #[cfg(feature = "net")]
        {
            let url =
                url::Url::parse(text).map_err(|error| wrong(format!("the address is wrong: {error}")))?;
            if !url.has_host() || !text.contains("://") {
                return Err(wrong("the address names no host".into()));
            }
            Ok(Self(url.into()))
        }
        #[cfg(not(feature = "net"))]
        match text.split_once("://") {
            Some((_, rest)) if !rest.is_empty() => Ok(Self(text.into())),
            _ => Err(wrong("the address names no host".into())),
        }
    }

    /// Full address, including secrets.
    pub fn as_secret_str(&self) -> &str {
        &self.0
    }

    /// Default source name: the last path component without its extension, or the host if the path
    /// is empty.
    pub fn label(&self) -> &str {
        let rest = self.0.split_once("://").map_or(&*self.0, |(_, rest)| rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        // Kodi appends request fields after a bar.
        let path = &path[..path.find(['?', '#', '|']).unwrap_or(path.len())];
        let last = path.rsplit('/').find(|part| !part.is_empty()).unwrap_or_default();
        let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        // SHOUTcast appends `/;` to the port to request the stream instead of the status page.
        if stem.contains(|c: char| c.is_ascii_alphanumeric()) { stem } else { host }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact_address(&self.0))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// Substrings of parameter names whose values are secret.
const SECRET: [&str; 11] =
    ["token", "key", "pass", "pwd", "auth", "sig", "secret", "cred", "session", "jwt", "hdn"];

/// Replacement for a secret value.
const HIDDEN: &str = "***";

/// Redacts every network address in `text`.
pub fn redact(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let scheme = rest[..at]
            .rfind(|c: char| !c.is_ascii_alphanumeric())
            .map_or(0, |before| before + rest[before..].chars().next().map_or(1, char::len_utf8));
        let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '`' | '<' | '>');
        let end = rest[at..].find(ends).map_or(rest.len(), |end| at + end);
        shown.push_str(&rest[..scheme]);
        shown.push_str(&redact_address(&rest[scheme..end]));
        rest = &rest[end..];
    }
    shown.push_str(rest);
    shown
}

fn redact_address(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    // The fragment is never sent, so it is not shown either.
    let rest = rest.split('#').next().unwrap_or_default();
    let mut shown = format!("{scheme}://{host}");
    let Some((path, query)) = rest.split_once('?') else {
        shown.push_str(rest);
        return shown;
    };
    shown.push_str(path);
    for (index, pair) in query.split('&').enumerate() {
        shown.push(if index == 0 { '?' } else { '&' });
        match pair.split_once('=') {
            Some((key, _)) if is_secret(key) => {
                shown.push_str(key);
                shown.push('=');
                shown.push_str(HIDDEN);
            }
            _ => shown.push_str(pair),
        }
    }
    shown
}

fn is_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    SECRET.iter().any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let check = |text: &str, shown: &str| {
            assert_eq!(Address::parse(text).unwrap().to_string(), shown);
            assert_eq!(
                redact(&format!("'{text}' and \"{text}\": no")).matches("hunter2").count(),
                0,
                "{text}"
            );
        };
        check("http://radio.example/live.mp3", "http://radio.example/live.mp3");
        check("http://me:hunter2@radio.example:8000/live", "http://radio.example:8000/live");
        check("https://hunter2@radio.example/@live?a=b", "https://radio.example/@live?a=b");
        check("http://h/x?a=1&Access_Token=hunter2&b=2", "http://h/x?a=1&Access_Token=***&b=2");
        check("http://h/x?sig=hunter2#key=hunter2", "http://h/x?sig=***");
        let debug = format!("{:?}", Address::parse("http://me:hunter2@h/x").unwrap());
        assert!(!debug.contains("hunter2") && !debug.contains("me"), "{debug}");
    }

    #[test]
    fn text_around_addresses_stays() {
        let line = "[tls @ 0x1] rtsp://a:b@h/x?password=c: 401; gr\u{fc}n http://d:e@i";
        assert_eq!(redact(line), "[tls @ 0x1] rtsp://h/x?password=*** 401; gr\u{fc}n http://i");
        assert_eq!(redact("://"), "://");
        assert_eq!(redact("no address"), "no address");
    }

    #[test]
    fn what_is_no_address_is_not_repeated() {
        for text in [
            "http://",
            "http:",
            "http://me:hunter2@",
            "http://me:hunt/er2@host:port/",
            "http:me:hunter2",
            "http://me:80#hunter2@h/",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains("write `http://HOST") && !error.contains("hunt"), "{text}: {error}");
            assert_eq!(error.contains("percent-encode"), text.contains('@'), "{text}: {error}");
        }
    }

    #[test]
    fn labels_come_from_path_or_host() {
        let check = |text: &str, label: &str| assert_eq!(Address::parse(text).unwrap().label(), label);
        check("http://me:pw@radio.example/a/jazz.mp3?token=x", "jazz");
        check("http://radio.example/jazz.mp3|User-Agent=Player/1.0", "jazz");
        check("http://radio.example", "radio.example");
        check("http://me:pw@radio.example:8000/;?x=y", "radio.example:8000");
    }
}
