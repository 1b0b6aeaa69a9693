//! Artist and title from the chunks of WAVE and AIFF files.

use std::sync::Arc;

use symphonia::core::meta::well_known::METADATA_ID_WAVE;
use symphonia::core::meta::{MetadataBuilder, MetadataInfo, MetadataRevision, StandardTag, Tag};

use super::layout::ByteOrder;

const INFO: MetadataInfo =
    MetadataInfo { metadata: METADATA_ID_WAVE, short_name: "chunks", long_name: "Text chunks" };

/// Parses `IART` and `INAM` of a `LIST` chunk of type `INFO`.
pub(super) fn of_info_list(content: &[u8], order: ByteOrder) -> Option<MetadataRevision> {
    let mut rest = content.strip_prefix(b"INFO")?;
    let (mut artist, mut title) = (None, None);
    while let Some(id) = rest.first_chunk::<4>() {
        let size = order.u32(rest, 4) as usize;
        let Some(value) = rest.get(8..8_usize.saturating_add(size)) else { break };
        match id {
            b"IART" => artist = Some(value),
            b"INAM" => title = Some(value),
            _ => {}
        }
        rest = rest.get(8 + size + size % 2..).unwrap_or_default();
    }
    of_texts(artist, title)
}

/// Builds metadata from texts in UTF-8 or ISO 8859-1, zero-terminated or not.
pub(super) fn of_texts(artist: Option<&[u8]>, title: Option<&[u8]>) -> Option<MetadataRevision> {
    let mut builder = MetadataBuilder::new(INFO);
    let (artist, title) = (artist.map(text), title.map(text));
    if artist.is_none() && title.is_none() {
        return None;
    }
    if let Some(artist) = artist {
        let tag = StandardTag::Artist(Arc::new(artist.clone()));
        builder.add_tag(Tag::new_from_parts("artist", artist, Some(tag)));
    }
    if let Some(title) = title {
        let tag = StandardTag::TrackTitle(Arc::new(title.clone()));
        builder.add_tag(Tag::new_from_parts("title", title, Some(tag)));
    }
    Some(builder.build())
}

fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect::<String>().trim().to_owned(),
    }
}
