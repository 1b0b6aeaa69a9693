//! Titles in container metadata.

use symphonia::core::formats::FormatReader;
use symphonia::core::meta::{StandardTag, Tag};

/// Maximum length of a title, in characters.
const LONGEST: usize = 300;

/// Artist and title of the newest metadata, if it is newer than the last call; `seen` is true if
/// any was read before.
pub(super) fn newest(format: &mut dyn FormatReader, seen: &mut bool) -> Option<String> {
    let mut metadata = format.metadata();
    if *seen && metadata.is_latest() {
        return None;
    }
    // Drops older metadata, so that a stream of weeks does not accumulate it.
    let revision = metadata.skip_to_latest()?;
    *seen = true;
    let tracks = revision.per_track.iter().flat_map(|track| &track.metadata.tags);
    composed(revision.media.tags.iter().chain(tracks))
}

fn composed<'a>(tags: impl Iterator<Item = &'a Tag>) -> Option<String> {
    let (mut artist, mut title) = (None, None);
    for tag in tags {
        match &tag.std {
            Some(StandardTag::Artist(name)) => artist = artist.or(Some(name.as_str())),
            Some(StandardTag::TrackTitle(name)) => title = title.or(Some(name.as_str())),
            _ => {}
        }
    }
    let text = match (artist, title?) {
        (Some(artist), title) => format!("{artist} - {title}"),
        (None, title) => title.to_owned(),
    };
    let clean: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    Some(clean.trim().to_owned()).filter(|text| !text.is_empty())
}
