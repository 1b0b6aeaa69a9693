//! Formats that are recognised by their first bytes and refused by name.
//!
//! The first bytes decide what a file is. A scan for a header or for sync words further in finds
//! them in files of other kinds: lossless codecs store the WAV header of their source, and
//! transport streams carry frames of MPEG audio.

mod sync;
mod text;

use std::fmt;

/// Bytes from the start of a stream that [`named`] uses; more change nothing.
pub(in crate::source) const DECISIVE: usize = 4096;

/// Format that is recognised but not decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::source) struct Named {
    /// Name as it stands in a sentence, such as `WavPack` or `a gzip archive`.
    pub(in crate::source) name: &'static str,
    remedy: Remedy,
}

/// Advice that goes with a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remedy {
    /// ffmpeg decodes it.
    Ffmpeg,
    /// Another program decodes it; the command writes WAV.
    Program(&'static str),
    /// Only the decoder of its authors does.
    Decoder,
    /// It holds files.
    Unpack,
    /// It holds addresses or paths.
    Follow,
    /// It holds no audio.
    Nothing,
}

impl Named {
    /// Format that ffmpeg decodes.
    pub(super) const fn audio(name: &'static str) -> Self {
        Self { name, remedy: Remedy::Ffmpeg }
    }

    const fn archive(name: &'static str) -> Self {
        Self { name, remedy: Remedy::Unpack }
    }

    const fn playlist(name: &'static str) -> Self {
        Self { name, remedy: Remedy::Follow }
    }

    const fn other(name: &'static str) -> Self {
        Self { name, remedy: Remedy::Nothing }
    }
}

/// Completes the sentence "`x.wv` is …": name, verdict, and the command that helps.
impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name;
        match self.remedy {
            Remedy::Ffmpeg => write!(
                f,
                "{name}, which genred does not decode; use `uri = \"process:\"` with `command = [\"ffmpeg\", \"-v\", \"error\", \"-i\", \"IN\", \"-f\", \"wav\", \"-\"]`, or convert a file first, as in `ffmpeg -i IN OUT.wav`"
            ),
            Remedy::Program(command) => write!(
                f,
                "{name}, which genred does not decode; convert it to WAV first, as in `{command}`, or run that program as `command` of a source with `uri = \"process:\"`"
            ),
            Remedy::Decoder => write!(
                f,
                "{name}, which genred does not decode; convert it to WAV first with the decoder of that format"
            ),
            Remedy::Unpack => write!(f, "{name}, not audio; unpack it and give a file from it"),
            Remedy::Follow => write!(f, "{name}, not audio; give an address or a file from it"),
            Remedy::Nothing => write!(f, "{name}, not audio; give an audio file or stream"),
        }
    }
}

/// Recognises a format that is not decoded by `first`, the first bytes of a file or stream.
///
/// Up to [`DECISIVE`] bytes are of use. With fewer, what needs more stays unrecognised. An ID3v2
/// tag in front is passed over. The result completes the sentence "`NAME` is …".
pub(in crate::source) fn named(first: &[u8]) -> Option<Named> {
    let content = first.get(id3v2_length(first)..)?;
    let found = by_magic(content)
        .or_else(|| in_riff(content))
        .or_else(|| in_form(content))
        .or_else(|| in_ogg(content))
        .or_else(|| by_brand(content));
    // Frames within a container say nothing about it.
    if found.is_some() || is_decoded(content) {
        return found;
    }
    text::kind(content).or_else(|| sync::kind(content))
}

/// Whether more bytes than `content`, which begins behind any ID3v2 tag, change nothing.
pub(super) fn is_settled(content: &[u8]) -> bool {
    content.len() >= DECISIVE || is_decoded(content) || named(content).is_some()
}

/// Whether `content` begins as a format does that is decoded.
fn is_decoded(content: &[u8]) -> bool {
    /// Enough for a form, a brand, and the codec on the first page of Ogg.
    const ENOUGH: usize = 16;
    const ENOUGH_OF_OGG: usize = 64;
    /// The GUID that Wave64 begins with.
    const WAVE64: &[u8] = b"riff\x2e\x91\xcf\x11";
    let starts = |magic: &[u8]| content.len() >= ENOUGH && content.starts_with(magic);
    match content.get(8..12) {
        Some(b"WAVE" | b"AIFF" | b"AIFC") if content.len() >= ENOUGH => return true,
        _ => {}
    }
    starts(b"fLaC")
        || starts(b"\x1a\x45\xdf\xa3")
        || starts(b".snd")
        || starts(b"dns.")
        || starts(b"caff")
        || starts(WAVE64)
        || (content.len() >= ENOUGH_OF_OGG && content.starts_with(b"OggS"))
        || (content.get(4..8) == Some(b"ftyp") && content.len() >= ENOUGH && by_brand(content).is_none())
        // Frames of MPEG audio and ADTS.
        || matches!(content, [0xff, second, ..] if second & 0xe0 == 0xe0 && content.len() >= ENOUGH)
}

/// Length of the ID3v2 tags at the start of `first`, which may exceed it (id3.org, ID3v2.4.0, 3.1).
pub(super) fn id3v2_length(first: &[u8]) -> usize {
    let mut length = 0_usize;
    while let Some(&[b'I', b'D', b'3', major, _, flags, a, b, c, d]) =
        first.get(length..).and_then(|rest| rest.first_chunk::<10>())
        && major != 0xff
        && (a | b | c | d) & 0x80 == 0
    {
        let size = [a, b, c, d].iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
        let footer = if flags & 0x10 != 0 { 10 } else { 0 };
        length += 10 + size + footer;
    }
    length
}

/// Formats with a magic number: its offset, and the bytes.
const MAGIC: &[(usize, &[u8], Named)] = &[
    // Audio codecs with containers of their own.
    (0, b"wvpk", Named::audio("WavPack")),
    (0, b"MAC ", Named::audio("Monkey's Audio")),
    (0, b"MACF", Named::audio("Monkey's Audio")),
    (0, b"tBaK", Named::audio("TAK")),
    (0, b"TTA1", Named::audio("TTA (True Audio)")),
    (0, b"TTA2", Named::audio("TTA (True Audio)")),
    (0, b"MP+", Named::audio("Musepack")),
    (0, b"MPCK", Named::audio("Musepack")),
    (0, b"ajkg", Named::audio("Shorten")),
    (0, b"OFR ", Named { name: "OptimFROG", remedy: Remedy::Decoder }),
    (0, b"OFS ", Named { name: "OptimFROG DualStream", remedy: Remedy::Decoder }),
    (0, b"LPAC", Named { name: "LPAC", remedy: Remedy::Decoder }),
    (0, b"LA02", Named { name: "La (Lossless Audio)", remedy: Remedy::Decoder }),
    (0, b"LA03", Named { name: "La (Lossless Audio)", remedy: Remedy::Decoder }),
    (0, b"LA04", Named { name: "La (Lossless Audio)", remedy: Remedy::Decoder }),
    (0, b"#!AMR", Named::audio("AMR")),
    (0, b"DSD ", Named::audio("DSF (DSD audio)")),
    (0, b"FRM8", Named::audio("DSDIFF (DSD audio)")),
    (0, b".ra\xfd", Named::audio("RealAudio")),
    (0, b".RMF", Named::audio("RealMedia")),
    (0, b"ADIF", Named::audio("AAC in ADIF")),
    (0, b"Creative Voice File\x1a", Named::audio("Creative Voice (VOC)")),
    (0, b"NIST_1A", Named::audio("NIST SPHERE")),
    (0, b"\x64\xa3\x01\x00", Named::audio("IRCAM")),
    (0, b"\x64\xa3\x02\x00", Named::audio("IRCAM")),
    (0, b"\x64\xa3\x03\x00", Named::audio("IRCAM")),
    (0, b"\x64\xa3\x04\x00", Named::audio("IRCAM")),
    (0, b"\x00\x01\xa3\x64", Named::audio("IRCAM")),
    (0, b"\x00\x02\xa3\x64", Named::audio("IRCAM")),
    (0, b"\x00\x03\xa3\x64", Named::audio("IRCAM")),
    (0, b".SoX", Named { name: "SoX native", remedy: Remedy::Program("sox IN OUT.wav") }),
    (0, b"XoS.", Named { name: "SoX native", remedy: Remedy::Program("sox IN OUT.wav") }),
    (0, b"SNES-SPC700 Sound File Data", Named::audio("game music (SPC)")),
    (0, b"Vgm ", Named::audio("game music (VGM)")),
    (0, b"GYMX", Named::audio("game music (GYM)")),
    (0, b"NESM\x1a", Named::audio("game music (NSF)")),
    (0, b"GBS\x01", Named::audio("game music (GBS)")),
    (0, b"Extended Module: ", Named::audio("a tracker module (XM)")),
    (0, b"IMPM", Named::audio("a tracker module (IT)")),
    (44, b"SCRM", Named::audio("a tracker module (S3M)")),
    (1080, b"M.K.", Named::audio("a tracker module (MOD)")),
    (1080, b"M!K!", Named::audio("a tracker module (MOD)")),
    (1080, b"FLT4", Named::audio("a tracker module (MOD)")),
    (1080, b"6CHN", Named::audio("a tracker module (MOD)")),
    (1080, b"8CHN", Named::audio("a tracker module (MOD)")),
    (
        0,
        b"MThd",
        Named { name: "MIDI, which holds notes", remedy: Remedy::Program("timidity -Ow -o OUT.wav IN") },
    ),
    (0, b"\x7f\xfe\x80\x01", Named::audio("DTS")),
    (0, b"\xfe\x7f\x01\x80", Named::audio("DTS")),
    (0, b"\x1f\xff\xe8\x00\x07", Named::audio("DTS")),
    (0, b"\xff\x1f\x00\xe8", Named::audio("DTS")),
    (0, b"\x64\x58\x20\x25", Named::audio("DTS-HD")),
    (0, b"DTSHDHDR", Named::audio("DTS-HD")),
    (4, b"\xf8\x72\x6f\xba", Named::audio("Dolby TrueHD")),
    (4, b"\xf8\x72\x6f\xbb", Named::audio("MLP")),
    // S/PDIF bursts (IEC 61937) and their SMPTE 337 forms of 20 and 24 bits.
    (0, b"\x72\xf8\x1f\x4e", Named::audio("coded audio in S/PDIF bursts (IEC 61937)")),
    (0, b"\xf8\x72\x4e\x1f", Named::audio("coded audio in S/PDIF bursts (IEC 61937)")),
    // Containers of several streams.
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Named::audio("ASF (WMA)")),
    (0, b"FLV\x01", Named::audio("Flash video (FLV)")),
    (0, b"\x00\x00\x01\xba", Named::audio("an MPEG program stream")),
    (0, b"\x00\x00\x01\xb3", Named::audio("MPEG video")),
    // Archives.
    (0, b"\x1f\x8b\x08", Named::archive("gzip data")),
    (0, b"PK\x03\x04", Named::archive("a ZIP archive")),
    (0, b"7z\xbc\xaf\x27\x1c", Named::archive("a 7z archive")),
    (0, b"Rar!\x1a\x07", Named::archive("a RAR archive")),
    (0, b"\xfd7zXZ\x00", Named::archive("xz data")),
    (4, b"1AY&SY", Named::archive("bzip2 data")),
    (0, b"\x28\xb5\x2f\xfd", Named::archive("Zstandard data")),
    (0, b"\x04\x22\x4d\x18", Named::archive("LZ4 data")),
    (257, b"ustar", Named::archive("a tar archive")),
    (0, b"!<arch>\n", Named::archive("an ar archive")),
    // No audio.
    (0, b"\x89PNG\r\n\x1a\n", Named::other("a PNG image")),
    (0, b"\xff\xd8\xff", Named::other("a JPEG image")),
    (0, b"GIF87a", Named::other("a GIF image")),
    (0, b"GIF89a", Named::other("a GIF image")),
    (0, b"II*\x00", Named::other("a TIFF image")),
    (0, b"MM\x00*", Named::other("a TIFF image")),
    (0, b"8BPS", Named::other("a Photoshop image")),
    (0, b"%PDF-", Named::other("a PDF document")),
    (0, b"%!PS", Named::other("a PostScript document")),
    (0, b"{\\rtf", Named::other("an RTF document")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Named::other("an Office document")),
    (0, b"SQLite format 3\x00", Named::other("an SQLite database")),
    (0, b"\x7fELF", Named::other("an ELF program")),
];

fn by_magic(first: &[u8]) -> Option<Named> {
    let matches = |(at, magic, _): &&(usize, &[u8], Named)| {
        first.get(*at..).is_some_and(|rest| rest.starts_with(magic))
    };
    MAGIC.iter().find(matches).map(|(_, _, named)| *named)
}

/// Forms of RIFF other than WAVE.
fn in_riff(first: &[u8]) -> Option<Named> {
    if !first.starts_with(b"RIFF") {
        return None;
    }
    match first.get(8..12)? {
        b"AVI " => Some(Named::audio("AVI")),
        b"QLCM" => Some(Named::audio("QCELP (QCP)")),
        b"RMID" => Some(Named {
            name: "MIDI, which holds notes",
            remedy: Remedy::Program("timidity -Ow -o OUT.wav IN"),
        }),
        b"WEBP" => Some(Named::other("a WebP image")),
        b"sfbk" => Some(Named::other("a SoundFont bank")),
        _ => None,
    }
}

/// Forms of IFF other than AIFF.
fn in_form(first: &[u8]) -> Option<Named> {
    if !first.starts_with(b"FORM") {
        return None;
    }
    match first.get(8..12)? {
        b"8SVX" => Some(Named::audio("8SVX")),
        b"16SV" => Some(Named::audio("16SV")),
        b"MAUD" => Some(Named { name: "MAUD", remedy: Remedy::Program("sox IN OUT.wav") }),
        b"ILBM" => Some(Named::other("an ILBM image")),
        _ => None,
    }
}

/// Codecs in Ogg, by the first packet (RFC 3533, section 6).
fn in_ogg(first: &[u8]) -> Option<Named> {
    if !first.starts_with(b"OggS") {
        return None;
    }
    let packet = first.get(27 + usize::from(*first.get(26)?)..)?;
    let is = |magic: &[u8]| packet.starts_with(magic);
    if is(b"Speex   ") {
        Some(Named::audio("Speex in Ogg"))
    } else if is(b"CELT    ") {
        Some(Named { name: "CELT in Ogg", remedy: Remedy::Decoder })
    } else if is(b"PCM     ") {
        Some(Named::audio("PCM in Ogg"))
    } else {
        None
    }
}

/// Images in ISO base media files (ISO/IEC 23008-12, 10).
fn by_brand(first: &[u8]) -> Option<Named> {
    if first.get(4..8)? != b"ftyp" {
        return None;
    }
    match first.get(8..12)? {
        b"heic" | b"heix" | b"mif1" | b"msf1" => Some(Named::other("a HEIF image")),
        b"avif" | b"avis" => Some(Named::other("an AVIF image")),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
