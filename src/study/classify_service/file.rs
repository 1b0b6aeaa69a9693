//! Classification of an uploaded file.

use std::path::Path;

use tokio::sync::mpsc;

use super::answer::AnswerWriter;
use super::context::JobContext;
use super::failure::Failure;
use super::scored_answer::{ScoredAnswer, ScoringParams};
use crate::audio::{Block, SampleRate};
use crate::limits::HOP_S;
use crate::source::{Read, SourceError};
use crate::study::offline::{FILE_BATCH, FileError};

/// Longest name of a file in an answer, in characters.
const MAX_NAME: usize = 255;

/// Classifies the file at `path`, which the client calls `name`, as `genred classify --json` does.
pub(super) fn classify(
    context: &JobContext,
    path: &Path,
    name: &str,
    hop_s: f64,
    sender: &mpsc::Sender<String>,
) -> Result<(), Failure> {
    let mut answer = AnswerWriter::new(sender, &context.stop, &context.closing, context.limits.max_duration);
    answer.check()?;
    HOP_S.check(hop_s).map_err(|error| Failure::new("invalid", error.to_string()))?;
    let name = shown_name(name);
    let failed = |error: SourceError| match context.is_stopping() {
        true => Failure::stopping(),
        false => Failure::of_file(&FileError::Source(error)),
    };
    let mut source = (context.open_upload)(path, Path::new(&name), &context.stop).map_err(failed)?;
    let length = source.stated_length();
    let longest = context.limits.max_audio_s;
    let too_long = || {
        let minutes = longest / 60.0;
        Failure::new("too_long", format!("`{name}` is longer than {minutes} minutes; try a part of it"))
    };
    if length.is_some_and(|length| length > longest) {
        return Err(too_long());
    }
    let params = ScoringParams { source: 0, hop_s, batch: FILE_BATCH };
    let mut scored = ScoredAnswer::begin(context, name.clone(), &params)?;
    let mut block = Block::with_capacity(SampleRate::HZ_48000, 2, 8192);
    loop {
        answer.check()?;
        match source.read(&mut block).map_err(failed)? {
            Read::Audio => scored.push(&block, &answer)?,
            Read::Idle => {}
            Read::End => break,
        }
        let decoded_s = scored.duration_s();
        if decoded_s > longest {
            return Err(too_long());
        }
        answer.progress(decoded_s, length)?;
    }
    // A set stop token also ends the file.
    answer.check()?;
    scored.finish(&answer)
}

/// The client's name without control characters, shortened; `upload` if nothing is left.
fn shown_name(name: &str) -> String {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    if shown.trim().is_empty() { "upload".into() } else { shown }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_control_characters() {
        assert_eq!(shown_name("Grün\u{1b}[2J\n.mp3"), "Grün[2J.mp3");
        assert_eq!(shown_name("\r\n "), "upload");
        assert_eq!(shown_name(&"ü".repeat(1000)).chars().count(), MAX_NAME);
    }
}
