//! Classification of the next seconds of a network stream.

use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::answer::AnswerWriter;
use super::context::JobContext;
use super::failure::Failure;
use super::scored_answer::{ScoredAnswer, ScoringParams};
use crate::audio::{Block, SampleRate};
use crate::limits::HOP_S;
use crate::sink::web::services::MAX_STREAM_S;
use crate::source::{Address, AddressPolicy, Read, Source, open};

/// Shortest part of a stream that is classified, in seconds: the length of a patch.
const MIN_STREAM_S: f64 = 3.0;

/// Longest wait for the first audio.
const FIRST_AUDIO_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest pause of the audio, after which the verdict is on what has arrived.
const PAUSE_TIMEOUT: Duration = Duration::from_secs(10);

/// Stretches per run of the model: each patch is scored as it plays.
const BATCH: usize = 1;

/// Classifies `seconds` of the stream at `url`, in real time. With `any_address`, private and
/// loopback addresses are accepted. The model knows the stream as `source`.
pub(super) fn classify(
    context: &JobContext,
    url: &str,
    seconds: f64,
    any_address: bool,
    hop_s: f64,
    source: usize,
    sender: &mpsc::Sender<String>,
) -> Result<(), Failure> {
    let seconds = if seconds.is_finite() { seconds.clamp(MIN_STREAM_S, MAX_STREAM_S) } else { MAX_STREAM_S };
    let longest = FIRST_AUDIO_TIMEOUT + Duration::from_secs_f64(seconds) + PAUSE_TIMEOUT;
    let mut answer = AnswerWriter::new(sender, &context.stop, &context.closing, 2 * longest);
    answer.check()?;
    HOP_S.check(hop_s).map_err(|error| Failure::new("invalid", error.to_string()))?;
    let address = parse(url)?;
    let policy = if any_address { AddressPolicy::Any } else { AddressPolicy::Public };
    let mut stream =
        open::open_stream(&address, policy, &context.stop).map_err(|error| Failure::of_stream(&error))?;
    let params = ScoringParams { source, hop_s, batch: BATCH };
    let mut scored = ScoredAnswer::begin(context, address.to_string(), &params)?;
    play(&mut *stream, &mut scored, &mut answer, seconds, longest)?;
    drop(stream);
    scored.finish(&answer)
}

/// Scores the stream until `seconds` of audio have played, it ends, or it pauses for long.
fn play(
    stream: &mut dyn Source,
    scored: &mut ScoredAnswer<'_>,
    answer: &mut AnswerWriter<'_>,
    seconds: f64,
    longest: Duration,
) -> Result<(), Failure> {
    let started = Instant::now();
    let mut last_audio = None;
    let mut block = Block::with_capacity(SampleRate::HZ_48000, 2, 8192);
    while scored.duration_s() < seconds && started.elapsed() < longest {
        answer.check()?;
        match stream.read(&mut block) {
            Ok(Read::Audio) => {
                last_audio = Some(Instant::now());
                scored.push(&block, answer)?;
            }
            Ok(Read::Idle) => match last_audio {
                Some(time) if time.elapsed() >= PAUSE_TIMEOUT => break,
                Some(_) => {}
                None if started.elapsed() < FIRST_AUDIO_TIMEOUT => {}
                None => {
                    let trouble = stream.trouble();
                    let error = trouble.as_deref().unwrap_or("the stream sends no audio");
                    return Err(Failure::new("no_audio", error));
                }
            },
            // Only the stop token ends a stream without an error.
            Ok(Read::End) => return Err(Failure::stopping()),
            // A stream that ends, or breaks off, is classified as far as it went.
            Err(_) if last_audio.is_some() => break,
            Err(error) => return Err(Failure::of_stream(&error)),
        }
        answer.progress(scored.duration_s(), Some(seconds))?;
    }
    match last_audio {
        Some(_) => Ok(()),
        None => Err(Failure::new("no_audio", "the stream sends no audio")),
    }
}

/// Parses the address of a stream.
fn parse(url: &str) -> Result<Address, Failure> {
    let invalid = |error: String| Failure::new("invalid_address", error);
    let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    match scheme.as_deref() {
        Some("http" | "https") => Address::parse(url).map_err(|error| invalid(error.to_string())),
        _ => Err(invalid("only `http://` and `https://` addresses are classified".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_network_addresses_are_accepted() {
        for url in ["file:///etc/passwd", "/etc/passwd", "process:", "device:default", "stdin:", "-", ""] {
            assert!(matches!(parse(url), Err(Failure::Failed { code: "invalid_address", .. })), "{url}");
        }
        for url in ["ftp://h/x", "javascript:alert(1)", "gopher://h/", "//h/x", "http:h", "http://"] {
            assert!(parse(url).is_err(), "{url}");
        }
        assert_eq!(
            parse("HTTP://me:pw@radio.example/live").unwrap().to_string(),
            "http://radio.example/live"
        );
    }
}
