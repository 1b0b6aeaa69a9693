//! Nested playlists: their resolution ends, and secrets stay with their server.
//!
//! Input: pages, separated by lines of `----`: content type and address (both may be empty) on a
//! line each, then the body. The first page answers the first request; later requests get the page
//! whose number is their path, else the length of their address.

use genred::source::SourceError;
use genred::source::fuzz_api::{self, entries};
use genred::source::playlist::{BodyKind, kind};
use url::Url;

use super::cuts::split;
use super::secret::{SECRET, spells_it};

/// First address, with the password.
const START: &str = "http://me:hunter2@h:8000/list.m3u?a=b";

/// Maximum number of requests.
const MOST: usize = 16;

/// Panics if there are too many requests, a request is invalid, or a secret leaves its server.
pub fn run(data: &[u8]) {
    let start = Url::parse(START).expect("an address");
    let pages: Vec<Page> =
        split(data, b"\n----\n").take(2 * MOST).map(|page| Page::new(page, &start)).collect();
    for page in &pages {
        let text = String::from_utf8_lossy(&page.body);
        let listed = entries(&text, &page.url);
        assert!(listed.len() <= MOST);
        assert!(listed.iter().all(|url| ["http", "https"].contains(&url.scheme()) && url.has_host()));
        // Audio is never detected as a playlist.
        let kind = kind(&page.content_type, page.url.path(), &page.body);
        assert!(kind != BodyKind::Playlist || !page.body.starts_with(b"ID3\x04"));
    }
    let mut asked = 0;
    let says_it = spells_it(data);
    let found = fuzz_api::resolve(&start, &mut |url: &Url| {
        asked += 1;
        assert!(asked <= MOST, "more than {MOST} addresses are asked");
        assert!(["http", "https"].contains(&url.scheme()) && url.has_host(), "{url}");
        let home = (url.host_str(), url.port()) == (Some("h"), Some(8000)) && url.scheme() == "http";
        assert!(home || says_it || !url.as_str().contains(SECRET), "a secret goes to {url}");
        let number = match asked {
            1 => 0,
            _ => url.path().trim_start_matches('/').parse().unwrap_or(url.as_str().len()),
        };
        let Some(page) = pages.get(number % (pages.len() + 1)) else {
            return Err(SourceError::Transient(format!(
                "nobody is at `{}`",
                genred::source::redact(url.as_str())
            )));
        };
        let answered = if page.moved { page.url.clone() } else { url.clone() };
        Ok((answered, page.content_type.clone(), page.body.clone()))
    });
    match found {
        Ok((_, body)) => {
            // An HLS playlist is returned as decoded text.
            let is_list = std::str::from_utf8(&body).is_ok_and(|text| text.contains("#EXT"));
            assert!(is_list || pages.iter().any(|page| page.body == body));
        }
        Err(error) => assert!(says_it || !error.to_string().contains(SECRET), "a secret is shown: {error}"),
    }
}

struct Page {
    url: Url,
    /// True if it states an address of its own.
    moved: bool,
    content_type: String,
    body: Vec<u8>,
}

impl Page {
    fn new(text: &[u8], start: &Url) -> Self {
        let mut lines = text.splitn(3, |byte| *byte == b'\n');
        let mut line = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
        let (content_type, url) = (line(), line());
        let stated =
            Url::parse(&url).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
        Self {
            moved: stated.is_some(),
            url: stated.unwrap_or_else(|| start.clone()),
            content_type,
            body: lines.next().unwrap_or_default().to_vec(),
        }
    }
}
