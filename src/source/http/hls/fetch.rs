//! Fetching thread: selects a variant and follows its media playlist.

use std::sync::Mutex;

use crossbeam_channel::Sender;
use url::Url;

use super::fetcher::{Fetcher, VariantExit};
use super::item::{FetchItem, PlaylistProgress};
use super::load::{playlist, refusal};
use super::m3u8::{self, HlsPlaylist};
use super::variant;
use crate::source::SourceError;
use crate::source::address::redact;
use crate::source::http::client;
use crate::source::http::connection::FetchContext;
use crate::source::http::request::RequestFields;

/// Maximum number of variants tried.
const MAX_TRIED: usize = 8;

/// Fetches until the stream ends or is cancelled, and returns the reason.
pub(super) fn run(
    url: &Url,
    text: &str,
    fields: &RequestFields,
    context: &FetchContext,
    sender: &Sender<FetchItem>,
    progress: &Mutex<PlaylistProgress>,
) -> SourceError {
    let fetcher = |url| Fetcher::new(url, fields, context, sender, progress);
    let shown = redact(url.as_str());
    let master = match m3u8::parse(text, url) {
        Ok(HlsPlaylist::Media(list)) => {
            let (VariantExit::Refused(error) | VariantExit::Ended(error)) = fetcher(url.clone()).follow(list);
            return error;
        }
        Ok(HlsPlaylist::Master(master)) => master,
        Err(what) => return SourceError::Unlikely(format!("`{shown}` {what}")),
    };
    let mut urls = match variant::choose(&master) {
        Ok(urls) => urls,
        Err(codecs) => return refusal(&shown, &format!("carries {codecs}, which genred does not decode")),
    };
    urls.truncate(MAX_TRIED);
    let mut last = SourceError::Unlikely(format!("`{shown}` is a master playlist without a variant"));
    for mut variant in urls {
        client::keep_credentials(url, &mut variant);
        if variant == *url {
            last = SourceError::Unlikely(format!("`{shown}` is a playlist that leads back to itself"));
            continue;
        }
        let (found, list) = match playlist(&variant, fields, context) {
            Ok(found) => found,
            Err(failed) => {
                last = failed.error;
                continue;
            }
        };
        tracing::debug!(url = redact(found.as_str()), "following a variant");
        match fetcher(found).follow(list) {
            VariantExit::Refused(error) => last = error,
            VariantExit::Ended(error) => return error,
        }
    }
    last
}
