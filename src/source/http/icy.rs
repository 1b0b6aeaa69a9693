//! SHOUTcast metadata: after every `icy-metaint` bytes of audio, a length byte and sixteen times as
//! many bytes of text.

use std::io::{self, Read};

use crate::source::text;

/// Maximum length of a title, in characters.
const LONGEST: usize = 300;

/// Maximum accepted interval, in bytes.
const MAX_INTERVAL: u32 = 16 * 1024 * 1024;

/// Bytes of audio between two metadata blocks; `None` if `header` is invalid.
pub fn interval(header: &str) -> Option<u32> {
    header.trim().parse().ok().filter(|bytes| (1..=MAX_INTERVAL).contains(bytes))
}

/// Reader that returns the audio and reports titles to `F`, for any chunking of the input.
pub struct IcyReader<R, F> {
    inner: R,
    interval: Option<u32>,
    charset: Option<String>,
    state: IcyState,
    /// Metadata read so far, at most 4080 bytes.
    text: Vec<u8>,
    on_title: F,
}

enum IcyState {
    /// Bytes of audio before the next length byte.
    Audio(u32),
    Length,
    /// Missing bytes of metadata.
    Text(usize),
}

impl<R: Read, F: FnMut(Option<&str>)> IcyReader<R, F> {
    /// Creates a reader; without `interval`, all bytes are audio. `on_title` receives every stated
    /// title; `None` is an empty one.
    pub fn new(inner: R, interval: Option<u32>, on_title: F) -> Self {
        let state = IcyState::Audio(interval.unwrap_or(0));
        Self { inner, interval, charset: None, state, text: Vec::new(), on_title }
    }

    /// Decodes titles that are not UTF-8 as `charset`, if that is known.
    pub fn with_charset(self, charset: Option<&str>) -> Self {
        Self { charset: charset.map(str::to_owned), ..self }
    }
}

impl<R: Read, F: FnMut(Option<&str>)> Read for IcyReader<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(interval) = self.interval.filter(|_| !buffer.is_empty()) else {
            return self.inner.read(buffer);
        };
        loop {
            match &mut self.state {
                IcyState::Audio(0) => self.state = IcyState::Length,
                IcyState::Audio(left) => {
                    let most = buffer.len().min(*left as usize);
                    let count = self.inner.read(&mut buffer[..most])?;
                    *left -= count as u32;
                    return Ok(count);
                }
                IcyState::Length => {
                    let mut length = [0];
                    if self.inner.read(&mut length)? == 0 {
                        return Ok(0);
                    }
                    self.text.clear();
                    self.state = IcyState::Text(usize::from(length[0]) * 16);
                }
                IcyState::Text(0) => {
                    self.state = IcyState::Audio(interval);
                    if let Some(title) = title_in(&self.text, self.charset.as_deref()) {
                        (self.on_title)(Some(title.as_str()).filter(|title| !title.is_empty()));
                    }
                }
                IcyState::Text(left) => {
                    let mut piece = [0; 255];
                    let most = piece.len().min(*left);
                    let count = self.inner.read(&mut piece[..most])?;
                    if count == 0 {
                        return Ok(0);
                    }
                    self.text.extend_from_slice(&piece[..count]);
                    *left -= count;
                }
            }
        }
    }
}

/// Title in a metadata block, such as `StreamTitle='Artist - Title';StreamUrl='';` padded with
/// zeros. `None` if it states none.
#[cfg(any(test, feature = "fuzzing"))]
pub fn title(metadata: &[u8]) -> Option<String> {
    title_in(metadata, None)
}

/// Title in a metadata block of a server that states `charset`.
///
/// Quotes are not escaped: a value ends before the next key, or at the last `';`. Text is decoded
/// as UTF-8, else as `charset`, else as Windows-1252. Character references are resolved; Icecast
/// uses them for characters outside Latin-1.
pub fn title_in(metadata: &[u8], charset: Option<&str>) -> Option<String> {
    let end = metadata.iter().position(|byte| *byte == 0).unwrap_or(metadata.len());
    let text = text::decode(&metadata[..end], charset);
    let at = text.to_ascii_lowercase().find("streamtitle='")?;
    let rest = &text[at + "streamtitle='".len()..];
    let next_key = rest.match_indices("';").map(|(at, _)| at).find(|at| begins_key(&rest[at + 2..]));
    let stated = match next_key.or_else(|| rest.rfind("';")) {
        Some(end) => &rest[..end],
        None => rest.trim_end_matches(['\'', ';']),
    };
    let stated = text::undo_double_encoding(stated);
    // Twice, because some programs escape escaped text.
    let stated = text::resolve_references(&stated).into_owned();
    let stated = text::resolve_references(&stated);
    let stated = without_attributes(&stated);
    let clean: String =
        stated.chars().filter(|c| !c.is_control() && *c != '\u{feff}').take(LONGEST).collect();
    Some(clean.trim().to_owned())
}

/// Maximum length of a key, in bytes.
const LONGEST_KEY: usize = 64;

/// Returns true if `text` begins with a key, an equals sign and a value: quoted, or a word before a
/// semicolon.
fn begins_key(text: &str) -> bool {
    let Some((key, value)) = text.trim_start().split_once('=') else { return false };
    let is_key = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.len() <= LONGEST_KEY
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_bare = || value.split_once(';').is_some_and(|(word, _)| is_word(word));
    is_key && (value.starts_with(['\'', '"']) || is_bare())
}

/// Removes the attributes that some advertising systems put into a title: `Artist - text="Title"
/// song_spot="M" spotInstanceId="-1"`.
fn without_attributes(title: &str) -> std::borrow::Cow<'_, str> {
    let Some((before, rest)) = title.split_once("text=\"") else { return title.into() };
    let Some((text, after)) = rest.split_once('"') else { return title.into() };
    if !(after.trim().is_empty() || begins_key(after)) {
        return title.into();
    }
    let artist = before.trim().trim_end_matches('-').trim();
    match (artist.is_empty(), text.trim().is_empty()) {
        (true, _) => text.trim().to_owned().into(),
        (false, true) => artist.to_owned().into(),
        (false, false) => format!("{artist} - {}", text.trim()).into(),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn titles() {
        let check = |metadata: &[u8], expected: Option<&str>| {
            assert_eq!(title(metadata).as_deref(), expected, "{}", String::from_utf8_lossy(metadata));
        };
        check(b"StreamTitle='A - B';\0\0\0", Some("A - B"));
        check(b"StreamTitle='A - B';StreamUrl='http://x/';\0", Some("A - B"));
        check(b"StreamTitle='Guns N' Roses - Don't Cry';StreamUrl='';", Some("Guns N' Roses - Don't Cry"));
        check(b"StreamTitle='It's over'; he said';", Some("It's over'; he said"));
        check("StreamTitle='Gr\u{fc}n';".as_bytes(), Some("Gr\u{fc}n"));
        check(b"StreamTitle='Gr\xfcn';", Some("Gr\u{fc}n"));
        check(b"StreamTitle='';", Some(""));
        check(b"StreamTitle='';StreamUrl='http://x/';", Some(""));
        // Keys of advertising systems (Triton, AdsWizz and others).
        check(b"StreamTitle='A - B';adw_ad='true';durationMilliseconds='30000';", Some("A - B"));
        check(b"StreamTitle='A';adId2=\"7\";", Some("A"));
        check(b"StreamTitle='A'; insertion_type='preroll';", Some("A"));
        check(b"StreamTitle='A';durationMilliseconds=30000;", Some("A"));
        check(b"StreamTitle='Rock'; E = mc'2';", Some("Rock'; E = mc'2"));
        check(
            b"StreamTitle='A - text=\"B\" song_spot=\"M\" spotInstanceId=\"-1\"';StreamUrl='';",
            Some("A - B"),
        );
        check(b"StreamTitle='text=\"Spot Block\" song_spot=\"T\"';", Some("Spot Block"));
        check(b"StreamTitle='the text=\"B\" in quotes';", Some("the text=\"B\" in quotes"));
        // Icecast's form of characters outside Latin-1.
        check(b"StreamTitle='Micha&#322; &#x2013; B';", Some("Micha\u{142} \u{2013} B"));
        check(b"StreamTitle='Simon &amp; Garfunkel';", Some("Simon & Garfunkel"));
        check(b"StreamTitle='M&amp;#252;ller';", Some("M\u{fc}ller"));
        check("StreamTitle='Gr\u{c3}\u{bc}n';".as_bytes(), Some("Gr\u{fc}n"));
        check(b"StreamTitle='it\x92s';", Some("it\u{2019}s"));
        check("\u{feff}StreamTitle='\u{feff}A';".as_bytes(), Some("A"));
        check(b"streamtitle='cut off", Some("cut off"));
        check(b"StreamTitle='line\r\nbreak\x1b[31m ';", Some("linebreak[31m"));
        check(b"StreamUrl='http://x/';", None);
        check(b"", None);
        check(b"\xff\xfe\x01", None);
        assert_eq!(title(&[b"StreamTitle='".as_slice(), &[b'x'; 4000]].concat()).unwrap().len(), LONGEST);
    }

    #[test]
    fn charsets() {
        let check = |metadata: &[u8], charset, expected: &str| {
            assert_eq!(title_in(metadata, Some(charset)).as_deref(), Some(expected), "{charset}");
        };
        check(b"StreamTitle='\xcf\xee\xeb\xeb\xe8';", "windows-1251", "\u{41f}\u{43e}\u{43b}\u{43b}\u{438}");
        check("StreamTitle='Gr\u{fc}n';".as_bytes(), "windows-1251", "Gr\u{fc}n");
        check(b"StreamTitle='Gr\xfcn';", "utf-8", "Gr\u{fc}n");
        check(b"StreamTitle='Gr\xfcn';", "nonsense", "Gr\u{fc}n");
    }

    #[test]
    fn intervals() {
        assert_eq!(
            [" 16000 ", "0", "-1", "x", "999999999999"].map(interval),
            [Some(16_000), None, None, None, None]
        );
    }

    /// Reader that returns as many bytes per read as `cuts` says, cyclically.
    struct CutReader<'a> {
        bytes: &'a [u8],
        cuts: &'a [usize],
        turn: usize,
    }

    impl Read for CutReader<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let cut = self.cuts[self.turn % self.cuts.len()];
            self.turn += 1;
            let count = self.bytes.len().min(buffer.len()).min(cut);
            buffer[..count].copy_from_slice(&self.bytes[..count]);
            self.bytes = &self.bytes[count..];
            Ok(count)
        }
    }

    fn read(bytes: &[u8], interval: u32, cuts: &[usize], wants: &[usize]) -> (Vec<u8>, Vec<Option<String>>) {
        let titles = RefCell::new(Vec::new());
        let inner = CutReader { bytes, cuts, turn: 0 };
        let mut reader =
            IcyReader::new(inner, Some(interval), |title| titles.borrow_mut().push(title.map(str::to_owned)));
        let mut audio = Vec::new();
        for turn in 0.. {
            let mut buffer = vec![0; wants[turn % wants.len()]];
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                count => audio.extend_from_slice(&buffer[..count]),
            }
        }
        drop(reader);
        (audio, titles.into_inner())
    }

    proptest! {
        /// Audio and titles do not depend on the chunking.
        #[test]
        fn cuts_change_nothing(
            pieces in prop::collection::vec(("[a-z' ]{0,60}", 0_usize..=255), 1..6),
            interval in 1_u32..300,
            cuts in prop::collection::vec(1_usize..400, 1..8),
            wants in prop::collection::vec(1_usize..400, 1..8),
        ) {
            let (mut sent, mut audio, mut titles) = (Vec::new(), Vec::new(), Vec::new());
            for (index, (text, least)) in pieces.iter().enumerate() {
                let sound: Vec<u8> = (0..interval).map(|byte| (byte as usize * 7 + index) as u8).collect();
                sent.extend_from_slice(&sound);
                audio.extend_from_slice(&sound);
                let metadata = format!("StreamTitle='{text}';");
                let units = metadata.len().div_ceil(16).max(*least).min(255);
                sent.push(units as u8);
                sent.extend_from_slice(metadata.as_bytes());
                sent.resize(sent.len() + units * 16 - metadata.len(), 0);
                titles.push(Some(text.trim().to_owned()).filter(|text| !text.is_empty()));
            }
            prop_assert_eq!(read(&sent, interval, &cuts, &wants), (audio, titles));
        }

        /// Garbage, including a truncated announcement, yields no more bytes than were sent and
        /// does not panic.
        #[test]
        fn garbage_is_survived(
            bytes in prop::collection::vec(any::<u8>(), 0..3000),
            interval in 1_u32..50,
            cuts in prop::collection::vec(1_usize..400, 1..8),
        ) {
            let (whole, one) = (read(&bytes, interval, &[4096], &[4096]), read(&bytes, interval, &cuts, &[3]));
            prop_assert_eq!(&whole, &one);
            prop_assert!(whole.0.len() <= bytes.len());
        }
    }
}
