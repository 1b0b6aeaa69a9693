//! Edit lists of an MP4 file: the audible part of each track.
//!
//! AAC encoders prefix a delay of a thousand samples or more and pad the end. They state this in
//! `moov/trak/edts/elst` (ISO/IEC 14496-12, 8.6.6), or, like iTunes, in a comment named `iTunSMPB`;
//! the demuxer evaluates neither. Parsing is best effort: an implausible list is ignored.

use super::boxes::{self, number};

/// Audible part of one track, in units of `1 / timescale` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TrackEdit {
    pub(super) track: u32,
    timescale: u32,
    start: u64,
    /// Length and its own time scale, if the list states one.
    length: Option<(u64, u32)>,
}

impl TrackEdit {
    /// Number of samples before the first audible one, at `rate` Hz.
    pub(super) fn start_at(&self, rate: u32) -> u64 {
        scale(self.start, rate, self.timescale)
    }

    /// Number of samples up to the last audible one, at `rate` Hz.
    pub(super) fn end_at(&self, rate: u32) -> Option<u64> {
        let (length, timescale) = self.length?;
        Some(self.start_at(rate).saturating_add(scale(length, rate, timescale)))
    }
}

fn scale(ticks: u64, rate: u32, timescale: u32) -> u64 {
    let samples = (u128::from(ticks) * u128::from(rate)).div_ceil(u128::from(timescale.max(1)));
    u64::try_from(samples).unwrap_or(u64::MAX)
}

/// Index of an MP4 file, as far as the demuxer ignores it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct MovieIndex {
    /// Edits of all tracks that have some.
    pub(super) edits: Vec<TrackEdit>,
    /// Sample entry formats of the audio tracks.
    pub(super) formats: Vec<[u8; 4]>,
    /// ALAC configurations in a `wave` box, as QuickTime writes them, by track.
    pub(super) cookies: Vec<(u32, Vec<u8>)>,
}

/// Parses the content of a `moov` box.
pub(super) fn movie(moov: &[u8]) -> MovieIndex {
    let tracks = || boxes::all(moov).filter(|(kind, _)| kind == b"trak").map(|(_, trak)| trak);
    let Some(movie_scale) = boxes::find(moov, &[b"mvhd"]).and_then(timescale) else {
        return MovieIndex::default();
    };
    let trimmed = comment(moov).and_then(trimmed);
    MovieIndex {
        edits: tracks().filter_map(|trak| edit(trak, movie_scale, trimmed)).collect(),
        formats: tracks().filter_map(audio_format).collect(),
        cookies: tracks().filter_map(cookie).collect(),
    }
}

/// Configuration of a QuickTime ALAC track (Apple Lossless Format, "magic cookie"): 24 bytes.
fn cookie(trak: &[u8]) -> Option<(u32, Vec<u8>)> {
    let entry = sample_entries(trak)?.get(16..)?;
    if audio_format(trak)? != *b"alac" {
        return None;
    }
    let wave = entry.windows(4).position(|window| window == b"wave")?;
    let boxed = boxes::find(entry.get(wave + 4..)?, &[b"alac"])?;
    Some((boxes::track_id(trak)?, boxed.get(4..28)?.to_vec()))
}

/// Edit of a track by its list. If that leaves the start untrimmed, by the comment of iTunes, whose
/// unit is the media's time scale.
fn edit(trak: &[u8], movie_scale: u32, trimmed: Option<(u64, u64)>) -> Option<TrackEdit> {
    let track = boxes::track_id(trak)?;
    let timescale = boxes::find(trak, &[b"mdia", b"mdhd"]).and_then(timescale)?;
    let listed =
        boxes::find(trak, &[b"edts", b"elst"]).and_then(|elst| listed(elst, track, timescale, movie_scale));
    match (listed, trimmed) {
        (Some(listed), None) => Some(listed),
        (Some(listed), Some(_)) if listed.start > 0 => Some(listed),
        (_, Some((start, length))) if audio_format(trak) == Some(*b"mp4a") => {
            Some(TrackEdit { track, timescale, start, length: Some((length, timescale)) })
        }
        (listed, _) => listed,
    }
}

fn listed(elst: &[u8], track: u32, timescale: u32, movie_scale: u32) -> Option<TrackEdit> {
    let (field, entry) = if wide(elst)? { (8, 20) } else { (4, 12) };
    // A media time of −1 is an empty edit, a pause before the start.
    let mut audible = elst
        .get(8..)?
        .chunks_exact(entry)
        .map(|entry| (number(&entry[..field]), number(&entry[field..2 * field])))
        .filter(|(_, start)| *start != Some(if field == 4 { u64::from(u32::MAX) } else { u64::MAX }));
    let (length, start) = audible.next()?;
    // Of several edits only the start of the first is kept; the rest plays in file order.
    let length = length.filter(|length| *length > 0 && audible.next().is_none());
    Some(TrackEdit { track, timescale, start: start?, length: length.map(|length| (length, movie_scale)) })
}

/// Format of the first sample entry of an audio track.
fn audio_format(trak: &[u8]) -> Option<[u8; 4]> {
    let media = boxes::find(trak, &[b"mdia"])?;
    if boxes::find(media, &[b"hdlr"])?.get(8..12) != Some(b"soun") {
        return None;
    }
    sample_entries(trak)?.get(12..16)?.try_into().ok()
}

/// Content of the `stsd` box.
fn sample_entries(trak: &[u8]) -> Option<&[u8]> {
    boxes::find(trak, &[b"mdia", b"minf", b"stbl", b"stsd"])
}

/// iTunes comment about delay and padding: `moov/udta/meta/ilst/----` of name `iTunSMPB`.
fn comment(moov: &[u8]) -> Option<&str> {
    let list = boxes::find(boxes::find(moov, &[b"udta", b"meta"])?.get(4..)?, &[b"ilst"])?;
    let item = boxes::all(list).filter(|(kind, _)| kind == b"----").find(|(_, item)| {
        boxes::find(item, &[b"name"]).and_then(|name| name.get(4..)) == Some(b"iTunSMPB".as_slice())
    });
    str::from_utf8(boxes::find(item?.1, &[b"data"])?.get(8..)?).ok()
}

/// Delay and number of samples in that comment: hexadecimal numbers, of which the second is the
/// delay, the third the padding, and the fourth the samples in between.
fn trimmed(comment: &str) -> Option<(u64, u64)> {
    /// Maximum plausible delay, in samples.
    const MOST: u64 = 48_000;
    let mut numbers = comment.split_ascii_whitespace().map(|number| u64::from_str_radix(number, 16));
    let (_, delay, _, length) =
        (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
    (delay <= MOST && length > 0).then_some((delay, length))
}

/// Time scale of an `mvhd` or `mdhd` box.
fn timescale(header: &[u8]) -> Option<u32> {
    number(header.get(if wide(header)? { 20..24 } else { 12..16 })?).map(|scale| scale as u32)
}

/// True if a full box is of version 1, with 64-bit fields.
fn wide(full_box: &[u8]) -> Option<bool> {
    full_box.first().map(|version| *version == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    fn words(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// File of one audio track, with further boxes in `moov`.
    fn file_with(elst: &[u32], more: &[u8]) -> Vec<u8> {
        let stsd = [words(&[0, 1]), boxed(b"mp4a", &[0; 28])].concat();
        let media = [
            boxed(b"mdhd", &words(&[0, 0, 0, 44_100, 0])),
            boxed(b"hdlr", &[&[0; 8][..], b"soun"].concat()),
            boxed(b"minf", &boxed(b"stbl", &boxed(b"stsd", &stsd))),
        ];
        let trak = [
            boxed(b"tkhd", &words(&[0, 0, 0, 7, 0])),
            boxed(b"edts", &boxed(b"elst", &words(elst))),
            boxed(b"mdia", &media.concat()),
        ]
        .concat();
        let moov = [&boxed(b"mvhd", &words(&[0, 0, 0, 1000, 0])), &boxed(b"trak", &trak), more].concat();
        [boxed(b"ftyp", b"M4A "), boxed(b"mdat", &[0; 100]), boxed(b"moov", &moov)].concat()
    }

    fn file(elst: &[u32]) -> Vec<u8> {
        file_with(elst, &[])
    }

    /// Index of a file.
    fn read(file: &[u8]) -> MovieIndex {
        boxes::find(file, &[b"moov"]).map(movie).unwrap_or_default()
    }

    #[test]
    fn start_and_end_are_scaled_to_the_rate() {
        let found = read(&file(&[0, 2, 40, u32::MAX, 1, 3300, 1024, 1])).edits;
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].track, 7);
        assert_eq!(found[0].start_at(44_100), 1024);
        assert_eq!(found[0].end_at(44_100), Some(1024 + 145_530));
        assert_eq!(found[0].start_at(22_050), 512);
    }

    #[test]
    fn a_second_edit_leaves_the_end_open() {
        let found = read(&file(&[0, 2, 10, 1024, 1, 10, 5000, 1])).edits;
        assert_eq!(found[0].end_at(44_100), None);
    }

    // Layout of the comment: as iTunes 12 writes it, and ffmpeg (`movenc.c`) and faad2 read it.
    #[test]
    fn the_comment_of_itunes_is_read() {
        let comment = |text: &str| {
            let item = [
                boxed(b"mean", b"\0\0\0\0com.apple.iTunes"),
                boxed(b"name", b"\0\0\0\0iTunSMPB"),
                boxed(b"data", &[&[0, 0, 0, 1, 0, 0, 0, 0], text.as_bytes()].concat()),
            ];
            let list = boxed(b"ilst", &boxed(b"----", &item.concat()));
            boxed(b"udta", &boxed(b"meta", &[&[0; 4][..], &list].concat()))
        };
        let text = " 00000000 00000840 000001CA 00000000003F31F6 00000000 00000000";
        let edit = |elst: &[u32], text| read(&file_with(elst, &comment(text))).edits;
        // Without a list, and with one that trims nothing.
        for list in [&[][..], &[0, 1, 3300, 0, 1]] {
            let found = edit(list, text);
            assert_eq!(found[0].start_at(44_100), 2112);
            assert_eq!(found[0].end_at(44_100), Some(2112 + 0x3f_31f6));
        }
        // A list that trims the delay takes precedence.
        assert_eq!(edit(&[0, 1, 3300, 1024, 1], text)[0].start_at(44_100), 1024);
        for damaged in ["", " 0 0 0", " 00000000 FFFFFFFF 0 1", "x y z w", " 0 0 0 0"] {
            assert_eq!(edit(&[], damaged), [], "{damaged}");
        }
        let formats = read(&file(&[])).formats;
        assert_eq!(formats, [*b"mp4a"]);
    }

    #[test]
    fn nothing_is_found_in_what_is_cut_short_or_no_mp4() {
        let whole = file(&[0, 1, 3300, 1024, 1]);
        for end in 0..whole.len() {
            assert_eq!(read(&whole[..end]), MovieIndex::default(), "cut at {end}");
        }
        assert_eq!(read(b"RIFF....WAVE"), MovieIndex::default());
    }
}
