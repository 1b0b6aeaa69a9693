//! HLS (RFC 8216): a playlist that is reloaded periodically, and its audio segments.
//!
//! One thread fetches and unwraps segments ahead of playback; the decoding thread consumes them.
//! Contiguous segments form one section: a single frame stream for one decoder.

mod feed;
mod fetch;
pub mod fmp4;
pub mod frames;
pub mod id3;
pub mod m3u8;
mod mpeg;
mod pace;
mod psi;
pub mod segment;
pub mod ts;
pub mod variant;
pub mod window;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use url::Url;

use self::feed::{Feed, Run};
use self::pace::Pacer;
use super::client::Fields;
use super::wire::Watch;
use crate::audio::Block;
use crate::source::pulled::{Course, Worker};
use crate::source::{SourceError, clock, redact};
use crate::thread;

/// Maximum number of consecutive sections without audio.
const MAX_SILENT: u32 = 5;

/// Maximum jump of the stream's time across a loss, in seconds.
const MAX_LEAP: f64 = 600.0;

/// Polling interval for the loss of the reader.
const LOOK_UP: Duration = Duration::from_millis(250);

/// Decodes the stream whose playlist is `text`, loaded from `url`, until it ends. Every end is an
/// error, because a live stream should not end. `fields` are sent with each request.
pub(super) fn follow(url: &Url, text: String, fields: Fields, watch: &Watch, worker: &Worker) -> SourceError {
    let name = redact(url.as_str());
    tracing::debug!(url = name, "an HLS playlist");
    let feed = match Feed::start(url.clone(), text, fields, watch) {
        Ok(feed) => Arc::new(Mutex::new(feed)),
        Err(error) => return SourceError::Transient(format!("no thread for `{name}`: {error}")),
    };
    let (mut course, mut pacer, mut silent) = (Course::default(), Pacer::default(), 0);
    loop {
        match lock(&feed).begin() {
            Ok(begun) => {
                match begun.lost {
                    Some(lost) => course.resume(lost.min(MAX_LEAP)),
                    None => course.go_on(),
                }
                course.add_corrupt(begun.corrupt);
            }
            Err(error) => return error,
        }
        let mut pace = |block: &Block| hold(block, &feed, &mut pacer, watch);
        let decoded = super::follow_one(&name, Run(feed.clone()), worker, &mut course, &mut pace);
        if watch.check().is_err() {
            return SourceError::Transient(format!("nobody listens to `{name}` any more"));
        }
        silent = if matches!(decoded, Ok(true) | Err((true, _))) { 0 } else { silent + 1 };
        if let Err((_, error)) = decoded {
            tracing::debug!(url = name, "a stretch is given up: {}", redact(&error.to_string()));
            course.add_corrupt(1);
            if silent >= MAX_SILENT {
                return SourceError::Unlikely(redact(&error.to_string()));
            }
        } else if silent >= MAX_SILENT {
            return SourceError::Unlikely(format!("nothing in the segments of `{name}` can be decoded"));
        }
    }
}

fn lock(feed: &Mutex<Feed>) -> std::sync::MutexGuard<'_, Feed> {
    feed.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until `block` is due.
fn hold(block: &Block, feed: &Mutex<Feed>, pacer: &mut Pacer, watch: &Watch) {
    let (ahead, target) = lock(feed).ahead();
    let now = Instant::now();
    let due = now + pacer.wait(now, clock::length(block).as_secs_f64(), ahead, target);
    watch.shared.add_wait(due.saturating_duration_since(now));
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() || watch.check().is_err() || watch.stop.wait(left.min(LOOK_UP)) {
            return;
        }
    }
}

fn spawn(body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::spawn("hls", body).map(drop)
}
