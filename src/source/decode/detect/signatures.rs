//! Signatures: magic numbers at a fixed offset, and the forms and brands after them.

use super::format::{DetectedFormat, PcmContainer};
use crate::source::decode::matroska;
use crate::source::decode::refusal::Unsupported;

/// Leading GUID of Wave64.
const WAVE64: &[u8] = b"riff\x2e\x91\xcf\x11";

/// Recognises the signature of an unsupported format.
pub(super) fn unsupported(first: &[u8]) -> Option<Unsupported> {
    by_magic(first).or_else(|| in_riff(first)).or_else(|| in_form(first)).or_else(|| by_brand(first))
}

/// Recognises the signature of a supported container.
pub(super) fn container(first: &[u8]) -> Option<DetectedFormat> {
    let form = first.get(8..12).unwrap_or_default();
    Some(match first.first_chunk::<4>()? {
        b"RIFF" | b"RIFX" | b"RF64" | b"BW64" if form == b"WAVE" => DetectedFormat::Pcm(PcmContainer::Wave),
        b"FORM" if form == b"AIFF" || form == b"AIFC" => DetectedFormat::Pcm(PcmContainer::Aiff),
        b".snd" | b"dns." => DetectedFormat::Pcm(PcmContainer::Au),
        b"caff" => DetectedFormat::Pcm(PcmContainer::Caf),
        b"OggS" => DetectedFormat::Ogg,
        b"fLaC" => DetectedFormat::Flac,
        _ if first.starts_with(WAVE64) => DetectedFormat::Pcm(PcmContainer::Wave64),
        _ if first.starts_with(&matroska::SIGNATURE) => DetectedFormat::Matroska,
        _ => match first.get(4..8)? {
            b"ftyp" | b"moov" | b"mdat" | b"wide" | b"free" | b"skip" | b"pnot" => DetectedFormat::Mp4,
            _ => return None,
        },
    })
}

/// Formats with a magic number: offset and bytes.
const MAGIC: &[(usize, &[u8], Unsupported)] = &[
    // Audio codecs with containers of their own.
    (0, b"wvpk", Unsupported::audio("WavPack")),
    (0, b"MAC ", Unsupported::audio("Monkey's Audio")),
    (0, b"MACF", Unsupported::audio("Monkey's Audio")),
    (0, b"tBaK", Unsupported::audio("TAK")),
    (0, b"TTA1", Unsupported::audio("TTA (True Audio)")),
    (0, b"TTA2", Unsupported::audio("TTA (True Audio)")),
    (0, b"MP+", Unsupported::audio("Musepack")),
    (0, b"MPCK", Unsupported::audio("Musepack")),
    (0, b"ajkg", Unsupported::audio("Shorten")),
    (0, b"OFR ", Unsupported::proprietary("OptimFROG")),
    (0, b"OFS ", Unsupported::proprietary("OptimFROG DualStream")),
    (0, b"LPAC", Unsupported::proprietary("LPAC")),
    (0, b"LA02", Unsupported::proprietary("La (Lossless Audio)")),
    (0, b"LA03", Unsupported::proprietary("La (Lossless Audio)")),
    (0, b"LA04", Unsupported::proprietary("La (Lossless Audio)")),
    (0, b"#!AMR", Unsupported::audio("AMR")),
    (0, b"DSD ", Unsupported::audio("DSF (DSD audio)")),
    (0, b"FRM8", Unsupported::audio("DSDIFF (DSD audio)")),
    (0, b".ra\xfd", Unsupported::audio("RealAudio")),
    (0, b".RMF", Unsupported::audio("RealMedia")),
    (0, b"ADIF", Unsupported::audio("AAC in ADIF")),
    (0, b"Creative Voice File\x1a", Unsupported::audio("Creative Voice (VOC)")),
    (0, b"NIST_1A", Unsupported::audio("NIST SPHERE")),
    (0, b"\x64\xa3\x01\x00", Unsupported::audio("IRCAM")),
    (0, b"\x64\xa3\x02\x00", Unsupported::audio("IRCAM")),
    (0, b"\x64\xa3\x03\x00", Unsupported::audio("IRCAM")),
    (0, b"\x64\xa3\x04\x00", Unsupported::audio("IRCAM")),
    (0, b"\x00\x01\xa3\x64", Unsupported::audio("IRCAM")),
    (0, b"\x00\x02\xa3\x64", Unsupported::audio("IRCAM")),
    (0, b"\x00\x03\xa3\x64", Unsupported::audio("IRCAM")),
    (0, b".SoX", Unsupported::converted_by("SoX native", "sox IN OUT.wav")),
    (0, b"XoS.", Unsupported::converted_by("SoX native", "sox IN OUT.wav")),
    (0, b"SNES-SPC700 Sound File Data", Unsupported::audio("game music (SPC)")),
    (0, b"Vgm ", Unsupported::audio("game music (VGM)")),
    (0, b"GYMX", Unsupported::audio("game music (GYM)")),
    (0, b"NESM\x1a", Unsupported::audio("game music (NSF)")),
    (0, b"GBS\x01", Unsupported::audio("game music (GBS)")),
    (0, b"Extended Module: ", Unsupported::audio("a tracker module (XM)")),
    (0, b"IMPM", Unsupported::audio("a tracker module (IT)")),
    (44, b"SCRM", Unsupported::audio("a tracker module (S3M)")),
    (1080, b"M.K.", Unsupported::audio("a tracker module (MOD)")),
    (1080, b"M!K!", Unsupported::audio("a tracker module (MOD)")),
    (1080, b"FLT4", Unsupported::audio("a tracker module (MOD)")),
    (1080, b"6CHN", Unsupported::audio("a tracker module (MOD)")),
    (1080, b"8CHN", Unsupported::audio("a tracker module (MOD)")),
    (0, b"MThd", Unsupported::converted_by("MIDI, which holds notes", "timidity -Ow -o OUT.wav IN")),
    (0, b"\x7f\xfe\x80\x01", Unsupported::audio("DTS")),
    (0, b"\xfe\x7f\x01\x80", Unsupported::audio("DTS")),
    (0, b"\x1f\xff\xe8\x00\x07", Unsupported::audio("DTS")),
    (0, b"\xff\x1f\x00\xe8", Unsupported::audio("DTS")),
    (0, b"\x64\x58\x20\x25", Unsupported::audio("DTS-HD")),
    (0, b"DTSHDHDR", Unsupported::audio("DTS-HD")),
    (4, b"\xf8\x72\x6f\xba", Unsupported::audio("Dolby TrueHD")),
    (4, b"\xf8\x72\x6f\xbb", Unsupported::audio("MLP")),
    // S/PDIF bursts (IEC 61937) and their SMPTE 337 forms of 20 and 24 bits.
    (0, b"\x72\xf8\x1f\x4e", Unsupported::audio("coded audio in S/PDIF bursts (IEC 61937)")),
    (0, b"\xf8\x72\x4e\x1f", Unsupported::audio("coded audio in S/PDIF bursts (IEC 61937)")),
    // Containers of several streams.
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", Unsupported::audio("ASF (WMA)")),
    (0, b"NSVs", Unsupported::audio("Nullsoft video (NSV)")),
    (0, b"NSVf", Unsupported::audio("Nullsoft video (NSV)")),
    (0, b"FLV\x01", Unsupported::audio("Flash video (FLV)")),
    (0, b"\x00\x00\x01\xba", Unsupported::audio("an MPEG program stream")),
    (0, b"\x00\x00\x01\xb3", Unsupported::audio("MPEG video")),
    // Archives.
    (0, b"\x1f\x8b\x08", Unsupported::archive("gzip data")),
    (0, b"PK\x03\x04", Unsupported::archive("a ZIP archive")),
    (0, b"7z\xbc\xaf\x27\x1c", Unsupported::archive("a 7z archive")),
    (0, b"Rar!\x1a\x07", Unsupported::archive("a RAR archive")),
    (0, b"\xfd7zXZ\x00", Unsupported::archive("xz data")),
    (4, b"1AY&SY", Unsupported::archive("bzip2 data")),
    (0, b"\x28\xb5\x2f\xfd", Unsupported::archive("Zstandard data")),
    (0, b"\x04\x22\x4d\x18", Unsupported::archive("LZ4 data")),
    (257, b"ustar", Unsupported::archive("a tar archive")),
    (0, b"!<arch>\n", Unsupported::archive("an ar archive")),
    // Not audio.
    (0, b"\x89PNG\r\n\x1a\n", Unsupported::not_audio("a PNG image")),
    (0, b"\xff\xd8\xff", Unsupported::not_audio("a JPEG image")),
    (0, b"GIF87a", Unsupported::not_audio("a GIF image")),
    (0, b"GIF89a", Unsupported::not_audio("a GIF image")),
    (0, b"II*\x00", Unsupported::not_audio("a TIFF image")),
    (0, b"MM\x00*", Unsupported::not_audio("a TIFF image")),
    (0, b"8BPS", Unsupported::not_audio("a Photoshop image")),
    (0, b"%PDF-", Unsupported::not_audio("a PDF document")),
    (0, b"%!PS", Unsupported::not_audio("a PostScript document")),
    (0, b"{\\rtf", Unsupported::not_audio("an RTF document")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Unsupported::not_audio("an Office document")),
    (0, b"SQLite format 3\x00", Unsupported::not_audio("an SQLite database")),
    (0, b"\x7fELF", Unsupported::not_audio("an ELF program")),
];

fn by_magic(first: &[u8]) -> Option<Unsupported> {
    let matches = |(at, magic, _): &&(usize, &[u8], Unsupported)| {
        first.get(*at..).is_some_and(|rest| rest.starts_with(magic))
    };
    MAGIC.iter().find(matches).map(|(_, _, format)| format.clone())
}

/// RIFF forms other than WAVE.
fn in_riff(first: &[u8]) -> Option<Unsupported> {
    if !first.starts_with(b"RIFF") {
        return None;
    }
    match first.get(8..12)? {
        b"AVI " => Some(Unsupported::audio("AVI")),
        b"QLCM" => Some(Unsupported::audio("QCELP (QCP)")),
        b"RMID" => Some(Unsupported::converted_by("MIDI, which holds notes", "timidity -Ow -o OUT.wav IN")),
        b"WEBP" => Some(Unsupported::not_audio("a WebP image")),
        b"sfbk" => Some(Unsupported::not_audio("a SoundFont bank")),
        _ => None,
    }
}

/// IFF forms other than AIFF.
fn in_form(first: &[u8]) -> Option<Unsupported> {
    if !first.starts_with(b"FORM") {
        return None;
    }
    match first.get(8..12)? {
        b"8SVX" => Some(Unsupported::audio("8SVX")),
        b"16SV" => Some(Unsupported::audio("16SV")),
        b"MAUD" => Some(Unsupported::converted_by("MAUD", "sox IN OUT.wav")),
        b"ILBM" => Some(Unsupported::not_audio("an ILBM image")),
        _ => None,
    }
}

/// Images in ISO base media files (ISO/IEC 23008-12, 10).
fn by_brand(first: &[u8]) -> Option<Unsupported> {
    if first.get(4..8)? != b"ftyp" {
        return None;
    }
    match first.get(8..12)? {
        b"heic" | b"heix" | b"mif1" | b"msf1" => Some(Unsupported::not_audio("a HEIF image")),
        b"avif" | b"avis" => Some(Unsupported::not_audio("an AVIF image")),
        _ => None,
    }
}
