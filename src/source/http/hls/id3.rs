//! ID3v2 tags. HLS puts one before every packed audio segment, and titles in between.

/// Maximum length of a title, in characters.
const LONGEST: usize = 300;

/// Splits leading tags from `bytes`; returns the rest and the title stated by the tags.
pub(super) fn split(bytes: &[u8]) -> (&[u8], Option<String>) {
    let (mut rest, mut title) = (bytes, None);
    while let Some((tag, after)) = first(rest) {
        title = read(tag).or(title);
        rest = after;
    }
    (rest, title)
}

/// First tag of `bytes`, complete or truncated, and the bytes after it.
fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let head = bytes.get(..10).filter(|head| head.starts_with(b"ID3") && head[3] < 0xff && head[4] < 0xff)?;
    let footer = if head[5] & 0x10 != 0 { 10 } else { 0 };
    let length = (10 + synchsafe(&head[6..10])? + footer).min(bytes.len());
    Some(bytes.split_at(length))
}

/// Number of seven bits per byte.
fn synchsafe(bytes: &[u8]) -> Option<usize> {
    bytes.iter().try_fold(0, |sum, byte| (byte & 0x80 == 0).then_some(sum << 7 | usize::from(*byte)))
}

/// Artist and title of a tag of version 2.3 or 2.4.
fn read(tag: &[u8]) -> Option<String> {
    let version = tag[3];
    let flags = tag[5];
    // Unsynchronised tags are rare and only cost a title.
    let mut rest = tag.get(10..).filter(|_| (3..=4).contains(&version) && flags & 0x80 == 0)?;
    if flags & 0x40 != 0 {
        let stated = rest.get(..4)?;
        let length = match version {
            3 => plain(stated).saturating_add(4),
            _ => synchsafe(stated)?,
        };
        rest = rest.get(length..)?;
    }
    let (mut artist, mut title) = (None, None);
    while let Some((head, after)) = rest.split_first_chunk::<10>() {
        let length = if version == 3 { plain(&head[4..8]) } else { synchsafe(&head[4..8])? };
        let Some(content) = after.get(..length) else { break };
        match &head[..4] {
            b"TPE1" => artist = artist.or_else(|| text(content)),
            b"TIT2" => title = title.or_else(|| text(content)),
            _ => {}
        }
        rest = &after[length..];
    }
    Some(match (artist, title?) {
        (Some(artist), title) => format!("{artist} - {title}").chars().take(LONGEST).collect(),
        (None, title) => title,
    })
}

fn plain(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
}

/// Text of a frame, which begins with its encoding.
fn text(content: &[u8]) -> Option<String> {
    let (&encoding, bytes) = content.split_first()?;
    let bytes = &bytes[..bytes.len().min(8 * LONGEST)];
    let wide = |bytes: &[u8], of: fn([u8; 2]) -> u16| {
        let units: Vec<u16> =
            bytes.chunks_exact(2).map(|pair| of([pair[0], pair[1]])).take_while(|unit| *unit != 0).collect();
        String::from_utf16_lossy(&units)
    };
    let narrow = || &bytes[..bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len())];
    let text = match (encoding, bytes) {
        (0, _) => narrow().iter().map(|byte| char::from(*byte)).collect(),
        (1, [0xff, 0xfe, rest @ ..]) => wide(rest, u16::from_le_bytes),
        (1, [0xfe, 0xff, rest @ ..]) | (2, rest) => wide(rest, u16::from_be_bytes),
        (3, _) => String::from_utf8_lossy(narrow()).into_owned(),
        _ => return None,
    };
    let clean: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    Some(clean.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tag(version: u8, frames: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, content) in frames {
            body.extend_from_slice(*name);
            body.extend_from_slice(&(content.len() as u32).to_be_bytes());
            body.extend_from_slice(&[0, 0]);
            body.extend_from_slice(content);
        }
        let length = body.len();
        [&b"ID3"[..], &[version, 0, 0, 0, 0, (length >> 7) as u8, (length & 127) as u8], &body].concat()
    }

    #[test]
    fn tags_are_taken_off() {
        let stamp = tag(4, &[(b"PRIV", b"com.apple.streaming.transportStreamTimestamp\0........")]);
        let titled = tag(3, &[(b"TIT2", b"\0Caf\xe9\0"), (b"TPE1", b"\x03Gr\xc3\xbcn")]);
        let sound = [0xff, 0xf1, 0x50];
        assert_eq!(
            split(&[&stamp[..], &titled, &sound].concat()),
            (&sound[..], Some("Gr\u{fc}n - Caf\u{e9}".into()))
        );
        assert_eq!(split(&[&stamp[..], &sound].concat()), (&sound[..], None));
        assert_eq!(split(&sound), (&sound[..], None));
        for end in 10..stamp.len() {
            assert_eq!(split(&stamp[..end]), (&[][..], None), "cut at {end}");
        }
        let wide = tag(4, &[(b"TIT2", b"\x01\xff\xfeA\0b\0\0\0x\0")]);
        assert_eq!(split(&wide).1.as_deref(), Some("Ab"));
        let wide = tag(4, &[(b"TIT2", b"\x02\0A\0b")]);
        assert_eq!(split(&wide).1.as_deref(), Some("Ab"));
        let mut footer = tag(4, &[(b"TIT2", b"\x03x")]);
        footer[5] = 0x10;
        assert_eq!(split(&[&footer[..], b"3DI.......", &sound].concat()), (&sound[..], Some("x".into())));
    }

    proptest! {
        #[test]
        fn garbage_is_survived(version in 0_u8..6, flags: u8, size in 0_u8..128, body in prop::collection::vec(any::<u8>(), 0..300)) {
            let bytes = [&b"ID3"[..], &[version, 0, flags, 0, 0, 1, size], b"TIT2", &body].concat();
            let (rest, title) = split(&bytes);
            prop_assert!(rest.len() < bytes.len());
            prop_assert!(title.is_none_or(|title| title.chars().count() <= LONGEST));
        }
    }
}
