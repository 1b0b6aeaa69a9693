//! HLS (RFC 8216): a playlist that is reloaded periodically, and its audio segments.
//!
//! One thread fetches and unwraps segments ahead of playback; the decoding thread consumes them.
//! Contiguous segments form one section: a single frame stream for one decoder.

mod feed;
mod fetch;
mod fetcher;
mod fmp4;
pub(super) mod frames;
mod id3;
mod item;
mod load;
pub mod m3u8;
mod mpeg;
mod pacer;
mod psi;
pub(in crate::source) mod segment;
pub(super) mod ts;
pub mod variant;
pub mod window;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use url::Url;

use self::feed::{SectionReader, SegmentFeed, lock};
use self::item::POLL_INTERVAL;
use self::pacer::HlsPacer;
use super::connection::FetchContext;
use super::request::RequestFields;
use crate::audio::Block;
use crate::source::address::redact;
use crate::source::threaded_decoder::{DecodeWorker, StreamPosition};
use crate::source::{SourceError, clock};

/// Maximum number of consecutive sections without audio.
const MAX_SILENT: u32 = 5;

/// Maximum jump of the stream's time across a loss, in seconds.
const MAX_LEAP: f64 = 600.0;

/// Decodes the stream whose playlist is `text`, loaded from `url`, until it ends. Every end is an
/// error, because a live stream should not end. `fields` are sent with each request.
pub(super) fn follow(
    url: &Url,
    text: String,
    fields: RequestFields,
    context: &FetchContext,
    worker: &DecodeWorker,
) -> SourceError {
    let name = redact(url.as_str());
    tracing::debug!(url = name, "following an HLS playlist");
    let feed = match SegmentFeed::start(url.clone(), text, fields, context) {
        Ok(feed) => Arc::new(Mutex::new(feed)),
        Err(error) => return SourceError::Transient(format!("no thread for `{name}`: {error}")),
    };
    let (mut stream, mut pacer, mut silent) = (StreamPosition::default(), HlsPacer::default(), 0);
    loop {
        match lock(&feed).begin() {
            Ok(started) => {
                match started.lost {
                    Some(lost) => stream.begin_after_loss(lost.min(MAX_LEAP)),
                    None => stream.begin_contiguous(),
                }
                stream.add_corrupt(started.corrupt);
            }
            Err(error) => return error,
        }
        let mut pace = |block: &Block| wait_until_due(block, &feed, &mut pacer, context);
        let decoded = worker.decode_container(&name, SectionReader(feed.clone()), &mut stream, &mut pace);
        if context.check().is_err() {
            return SourceError::Transient(format!("the reader of `{name}` is gone"));
        }
        silent = if matches!(decoded, Ok(true) | Err((true, _))) { 0 } else { silent + 1 };
        if let Err((_, error)) = decoded {
            tracing::debug!(url = name, "giving up a section: {}", redact(&error.to_string()));
            stream.add_corrupt(1);
            if silent >= MAX_SILENT {
                return SourceError::Unlikely(redact(&error.to_string()));
            }
        } else if silent >= MAX_SILENT {
            return SourceError::Unlikely(format!("nothing in the segments of `{name}` can be decoded"));
        }
    }
}

/// Waits until `block` is due.
fn wait_until_due(block: &Block, feed: &Mutex<SegmentFeed>, pacer: &mut HlsPacer, context: &FetchContext) {
    let (ahead, target) = lock(feed).ahead();
    let now = Instant::now();
    let due = now + pacer.wait(now, clock::length(block).as_secs_f64(), ahead, target);
    context.shared.add_wait(due.saturating_duration_since(now));
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() || context.check().is_err() || context.stop.wait(left.min(POLL_INTERVAL)) {
            return;
        }
    }
}
